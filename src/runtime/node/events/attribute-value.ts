import {objectOf} from './event.ts';

/** Turns a row of DynamoDB, `{name: {S: 'x'}}`, into plain values. */
export function plainItem(item: unknown): {[name: string]: unknown} | null {
  const members = objectOf(item);
  if (members === null) return null;
  return Object.fromEntries(Object.entries(members).map(([name, value]) => [name, plainValue(value)]));
}

/** A value by its type letter. Sets become arrays; a type that nobody knew when this was written stays as it is. */
function plainValue(value: unknown): unknown {
  const [entry] = Object.entries(objectOf(value) ?? {});
  if (entry === undefined) return value;
  const [type, given] = entry;
  switch (type) {
    case 'S':
    case 'BOOL':
    case 'SS':
      return given;
    case 'NULL':
      return null;
    case 'N':
      return plainNumber(given);
    case 'NS':
      return Array.isArray(given) ? given.map(plainNumber) : given;
    case 'B':
      return plainBytes(given);
    case 'BS':
      return Array.isArray(given) ? given.map(plainBytes) : given;
    case 'L':
      return Array.isArray(given) ? given.map(plainValue) : given;
    case 'M':
      return plainItem(given);
    default:
      return value;
  }
}

/** Numbers come as text of up to 38 digits: whole ones that a number would round stay text. */
function plainNumber(text: unknown): unknown {
  if (typeof text !== 'string') return text;
  const value = Number(text);
  if (Number.isNaN(value)) return text;
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? text : value;
}

function plainBytes(base64: unknown): unknown {
  return typeof base64 === 'string' ? Uint8Array.from(Buffer.from(base64, 'base64')) : base64;
}
