import {stripVTControlCharacters} from 'node:util';
import type {Paint} from './terminal.ts';

/** Aligned columns under a dim header, indented: the first to the left, figures to the right, the last as it is. */
export function renderTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  paint: Paint,
): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => columnsOf(row[column] ?? ''))));
  const render = (row: readonly string[]): string =>
    row
      .map((cell, column) => pad(cell, widths[column] ?? 0, column > 0))
      .join('  ')
      .trimEnd();
  return all.map((row, index) => `  ${index === 0 ? paint.dim(render(row)) : render(row)}`).join('\n');
}

const columnsOf = (text: string): number => stripVTControlCharacters(text).length;

function pad(text: string, width: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, width - columnsOf(text)));
  return right ? space + text : text + space;
}
