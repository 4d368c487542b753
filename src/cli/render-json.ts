import type {Json} from '../core/json.ts';

const WIDTH = 96;

/** JSON in as few lines as have room for it: what is short stands in one line, and lists of words fill theirs. */
export function renderJson(value: Json, indent = ''): string {
  const flat = renderFlat(value);
  const isShort = flat.length <= (isPlainList(value) && value.length < 2 ? WIDTH : WIDTH / 2) - indent.length;
  if (typeof value !== 'object' || value === null || isShort) return flat;
  const inner = `${indent}  `;
  if (!Array.isArray(value)) {
    const members = Object.entries(value).map(
      ([key, member]) => `${inner}${JSON.stringify(key)}: ${renderJson(member, inner)}`,
    );
    return `{\n${members.join(',\n')}\n${indent}}`;
  }
  const isPlain = isPlainList(value);
  const members = value.map((member: Json) => (isPlain ? renderFlat(member) : renderJson(member, inner)));
  const lines = isPlain ? fill(members, WIDTH - inner.length) : members.map((member) => [member]);
  return `[\n${lines.map((line) => inner + line.join(', ')).join(',\n')}\n${indent}]`;
}

const isPlainList = (value: Json): value is Json[] =>
  Array.isArray(value) && value.every((member) => typeof member !== 'object' || member === null);

function renderFlat(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(renderFlat).join(', ')}]`;
  const members = Object.entries(value).map(
    ([key, member]) => `${JSON.stringify(key)}: ${renderFlat(member)}`,
  );
  return `{${members.join(', ')}}`;
}

/** Breaks words into lines of at most so many characters, with room for what stands between them. */
function fill(words: readonly string[], chars: number): string[][] {
  const lines: string[][] = [];
  for (const word of words) {
    const line = lines.at(-1);
    const used = line?.join(', ').length ?? chars;
    if (line !== undefined && used + word.length + 3 <= chars) line.push(word);
    else lines.push([word]);
  }
  return lines;
}
