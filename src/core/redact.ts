/** What stands where a secret was. */
const REDACTED = '[redacted]';

const CHARS_MIN = 4;
/** A piece of base64 or a line of a longer secret has to be this long to be told from ordinary text. */
const PIECE_CHARS_MIN = 8;

/**
 * Makes a function that replaces secret values in a text by `[redacted]`: as they are, line by line, and in the forms
 * in which they travel: escaped in JSON, percent-encoded, base64 (also inside a longer base64 text, as in a Basic
 * authorization). Values shorter than 4 characters are left alone: hiding them would hide half of every text.
 */
export function createRedactor(values: Iterable<string>): (text: string) => string {
  const forms = new Set<string>();
  for (const value of values) {
    if (value.length >= CHARS_MIN) for (const form of formsOf(value)) forms.add(form);
  }
  if (forms.size === 0) return (text) => text;
  const longestFirst = [...forms].sort((a, b) => b.length - a.length || (a < b ? -1 : 1));
  const pattern = new RegExp(longestFirst.map(escapeForRegExp).join('|'), 'g');
  return (text) => text.replace(pattern, REDACTED);
}

function formsOf(value: string): string[] {
  const whole = [
    value,
    JSON.stringify(value).slice(1, -1),
    ...percentEncodings(value),
    ...base64Forms(value),
  ];
  const lines = value.split(/\r?\n/);
  const pieces = lines.length > 1 ? lines.filter((line) => line.length >= PIECE_CHARS_MIN) : [];
  return [...whole, ...pieces];
}

function percentEncodings(value: string): string[] {
  // A lone surrogate has no percent-encoding.
  if (/\p{Surrogate}/u.test(value)) return [];
  const encoded = encodeURIComponent(value);
  const lowerCase = encoded.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase());
  return [encoded, lowerCase, new URLSearchParams({'': value}).toString().slice(1)];
}

/**
 * Base64 writes three bytes as four characters, so a value inside a longer text looks different after 0, 1 or 2
 * bytes of a group: all three are made, without the characters that its neighbours have a part in.
 */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value);
  const forms = [bytes.toString('base64'), bytes.toString('base64url')];
  for (const before of [0, 1, 2]) {
    const bits = (before + bytes.length) * 8;
    const from = Math.ceil((before * 8) / 6);
    const inner = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .slice(from, Math.floor(bits / 6));
    if (inner.length >= PIECE_CHARS_MIN) forms.push(inner, inner.replaceAll('+', '-').replaceAll('/', '_'));
  }
  return forms;
}

const escapeForRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
