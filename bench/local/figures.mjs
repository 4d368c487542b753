// How figures are taken together and shown.

/** The middle of some figures; of an even number the upper middle. */
export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** The median of each member of records that are all alike. */
export const medianOf = (records) =>
  Object.fromEntries(
    Object.keys(records[0]).map((key) => [key, median(records.map((record) => record[key]))]),
  );

export const ms = (value, digits = 3) => value.toFixed(digits);

/** Prints a table of which the first columns are text and the others figures. */
export function printTable(head, rows, {texts = 2} = {}) {
  const lines = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const rule = widths.map((width, column) =>
    column < texts ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  for (const line of [lines[0], rule, ...lines.slice(1)]) {
    const cells = line.map((cell, column) =>
      column < texts ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
    );
    console.log(`| ${cells.join(' | ')} |`);
  }
  console.log();
}

/** What is to be reached, and whether it was. */
export class Goals {
  #held = [];

  check(text, holds, measured) {
    this.#held.push(holds);
    console.log(`${holds ? 'holds ' : 'MISSES'}  ${text}: ${measured}`);
  }

  get missed() {
    return this.#held.includes(false);
  }
}
