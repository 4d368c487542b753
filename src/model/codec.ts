/**
 * The protobuf wire format, as far as ONNX needs it. A schema names the fields that thaw touches; every other field
 * is kept as its own bytes and written back where its number puts it, so that reading and writing loses nothing.
 */

/** A 64-bit integer: a number where that is exact, else a bigint. */
export type Int64 = number | bigint;

/** A field that the schema does not name: its bytes, tag included. */
export interface UnknownField {
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** What every decoded message has beside its own fields. */
export interface Message {
  unknown?: readonly UnknownField[];
}

/** One occurrence of a repeated numeric field, not decoded: many packed values, or a single unpacked one. */
export interface NumberRun {
  readonly wire: WireType;
  readonly bytes: Uint8Array;
}

/** How a field's value is written. `runs` keeps numbers as they lie in the file; a function names another message. */
type Kind = 'int' | 'float' | 'string' | 'bytes' | 'runs' | (() => Schema<Message>);

/** The fields of a message: field number, kind, and whether it may occur many times. */
export type FieldTable<M extends Message> = {
  readonly [K in Exclude<keyof M, 'unknown'>]-?: readonly [number, Kind, 'one' | 'many'];
};

interface Field {
  readonly key: string;
  readonly number: number;
  readonly kind: Kind;
  readonly many: boolean;
}

/** A message type. `M` is only for the type checker. */
export interface Schema<out M extends Message> {
  readonly byNumber: ReadonlyMap<number, Field>;
  /** Highest number first: the writer goes backwards. */
  readonly descending: readonly Field[];
  readonly type?: M;
}

/** The bytes are not a message of the wanted type. */
export class WireError extends Error {
  /** `cut`: the bytes end inside a field; `malformed`: they cannot be protobuf at all. */
  readonly problem: 'cut' | 'malformed';
  readonly offset: number;

  constructor(problem: 'cut' | 'malformed', message: string, offset: number) {
    super(message);
    this.name = 'WireError';
    this.problem = problem;
    this.offset = offset;
  }
}

const WIRE = {varint: 0, fixed64: 1, delimited: 2, fixed32: 5} as const;
export type WireType = (typeof WIRE)[keyof typeof WIRE];

/** Protobuf's own readers stop here too. */
const DEPTH_MAX = 100;

type Fields = {[key: string]: unknown; unknown?: UnknownField[]};

/** Makes a schema of a table of fields. */
export function defineSchema<M extends Message>(table: FieldTable<M>): Schema<M> {
  const fields = Object.entries(table as {[key: string]: readonly [number, Kind, 'one' | 'many']}).map(
    ([key, [number, kind, count]]): Field => ({key, number, kind, many: count === 'many'}),
  );
  return {
    byNumber: new Map(fields.map((field) => [field.number, field])),
    descending: fields.toSorted((a, b) => b.number - a.number),
  };
}

/**
 * Decodes a message. Byte strings and unknown fields are views into `bytes`, not copies. Repeated fields are always
 * arrays; a single field that does not occur is missing from the result.
 *
 * @throws WireError
 */
export function decode<M extends Message>(schema: Schema<M>, bytes: Uint8Array): M {
  const message = emptyOf(schema);
  decodeInto(message, schema, new Reader(bytes), bytes.length, 0);
  return message as Message as M;
}

/** A message in which no field occurs. */
function emptyOf(schema: Schema<Message>): Fields {
  const message: Fields = {};
  for (const field of schema.descending) if (field.many) message[field.key] = [];
  return message;
}

function decodeInto(
  message: Fields,
  schema: Schema<Message>,
  reader: Reader,
  end: number,
  depth: number,
): void {
  if (depth > DEPTH_MAX) throw new WireError('malformed', `nested deeper than ${DEPTH_MAX}`, reader.at);
  while (reader.at < end) {
    const start = reader.at;
    const tag = reader.unsigned(end);
    const number = Math.floor(tag / 8);
    const wire = (tag % 8) as WireType;
    if (number === 0) throw new WireError('malformed', 'field number 0', start);
    const field = schema.byNumber.get(number);
    if (field && decodeField(message, field, wire, reader, end, depth)) continue;
    reader.skip(wire, end);
    (message.unknown ??= []).push({number, bytes: reader.bytes.subarray(start, reader.at)});
  }
}

/** Decodes one occurrence of a known field; false, and nothing read, if its wire type is not one that fits. */
function decodeField(
  message: Fields,
  field: Field,
  wire: WireType,
  reader: Reader,
  end: number,
  depth: number,
): boolean {
  const {key, kind} = field;
  const put = (value: unknown): void => {
    if (field.many) (message[key] as unknown[]).push(value);
    else message[key] = value;
  };
  if (kind === 'int' || kind === 'float') {
    const own = kind === 'int' ? WIRE.varint : WIRE.fixed32;
    const read = (): Int64 => (kind === 'int' ? reader.integer(end) : reader.float(end));
    if (wire === own) put(read());
    else if (wire === WIRE.delimited && field.many) {
      // Packed: both forms are valid for every repeated number, whatever the schema prefers.
      const packedEnd = reader.delimitedEnd(end);
      while (reader.at < packedEnd) {
        put(kind === 'int' ? reader.integer(packedEnd) : reader.float(packedEnd));
      }
    } else return false;
    return true;
  }
  if (kind === 'runs') {
    if (wire === WIRE.delimited) put({wire, bytes: reader.take(reader.delimitedEnd(end))});
    else {
      const start = reader.at;
      reader.skip(wire, end);
      put({wire, bytes: reader.bytes.subarray(start, reader.at)});
    }
    return true;
  }
  if (wire !== WIRE.delimited) return false;
  if (kind === 'string') put(reader.text(reader.delimitedEnd(end)));
  else if (kind === 'bytes') put(reader.take(reader.delimitedEnd(end)));
  else {
    const schema = kind();
    const memberEnd = reader.delimitedEnd(end);
    // A single message that occurs twice is one message, merged.
    const member = (field.many ? undefined : (message[key] as Fields | undefined)) ?? emptyOf(schema);
    decodeInto(member, schema, reader, memberEnd, depth + 1);
    if (field.many || message[key] === undefined) put(member);
  }
  return true;
}

/** Reads wire values one after another. */
class Reader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** A varint that cannot be negative: a tag or a length. */
  unsigned(end: number): number {
    const start = this.at;
    const value = this.integer(end);
    if (typeof value !== 'number' || value < 0) {
      throw new WireError('malformed', 'a tag or length out of range', start);
    }
    return value;
  }

  /** A varint as a signed 64-bit integer. */
  integer(end: number): Int64 {
    const start = this.at;
    let value = 0;
    let scale = 1;
    // Seven bytes hold 49 bits, which a number carries exactly.
    for (let count = 0; count < 7; count++) {
      const byte = this.#byte(end, start);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    let wide = BigInt(value);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.#byte(end, start);
      wide |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return int64(BigInt.asIntN(64, wide));
    }
    throw new WireError('malformed', 'a varint of more than 10 bytes', start);
  }

  float(end: number): number {
    this.#need(4, end);
    this.at += 4;
    return this.#view.getFloat32(this.at - 4, true);
  }

  /** Where the delimited value ends whose length comes next. */
  delimitedEnd(end: number): number {
    const start = this.at;
    const length = this.unsigned(end);
    if (length > end - this.at) {
      throw new WireError('cut', `a field of ${length} bytes, of which ${end - this.at} are there`, start);
    }
    return this.at + length;
  }

  take(end: number): Uint8Array {
    const start = this.at;
    this.at = end;
    return this.bytes.subarray(start, end);
  }

  text(end: number): string {
    const start = this.at;
    const bytes = this.take(end);
    try {
      return UTF8.decode(bytes);
    } catch {
      throw new WireError('malformed', 'a name that is not UTF-8', start);
    }
  }

  skip(wire: number, end: number): void {
    if (wire === WIRE.varint) this.integer(end);
    else if (wire === WIRE.delimited) this.at = this.delimitedEnd(end);
    else if (wire === WIRE.fixed64 || wire === WIRE.fixed32) {
      const width = wire === WIRE.fixed64 ? 8 : 4;
      this.#need(width, end);
      this.at += width;
    } else throw new WireError('malformed', `wire type ${wire}`, this.at);
  }

  #byte(end: number, start: number): number {
    if (this.at >= end) throw new WireError('cut', 'ends inside a number', start);
    return this.bytes[this.at++]!;
  }

  #need(width: number, end: number): void {
    if (end - this.at < width) throw new WireError('cut', 'ends inside a number', this.at);
  }
}

// A byte order mark is part of a name like any other character.
const UTF8 = new TextDecoder('utf-8', {fatal: true, ignoreBOM: true});
const TO_UTF8 = new TextEncoder();

const int64 = (value: bigint): Int64 => {
  const narrow = Number(value);
  return Number.isSafeInteger(narrow) ? narrow : value;
};

/**
 * Decodes the runs of a repeated numeric field.
 *
 * @throws WireError
 */
export function decodeIntegers(runs: readonly NumberRun[]): Int64[] {
  return runs.flatMap(({wire, bytes}) => {
    if (wire !== WIRE.varint && wire !== WIRE.delimited) throw unexpected(wire);
    const reader = new Reader(bytes);
    const values: Int64[] = [];
    while (reader.at < bytes.length) values.push(reader.integer(bytes.length));
    return values;
  });
}

/**
 * The bytes of a repeated field of fixed-width numbers, one after another, little-endian.
 *
 * @throws WireError
 */
export function fixedBytes(runs: readonly NumberRun[], width: 4 | 8): Uint8Array {
  const single = width === 4 ? WIRE.fixed32 : WIRE.fixed64;
  for (const {wire, bytes} of runs) {
    if (wire !== single && wire !== WIRE.delimited) throw unexpected(wire);
    if (bytes.length % width !== 0) throw new WireError('cut', 'ends inside a number', 0);
  }
  return runs.length === 1 ? runs[0]!.bytes : concat(runs.map(({bytes}) => bytes));
}

const unexpected = (wire: number): WireError => new WireError('malformed', `numbers of wire type ${wire}`, 0);

/** Encodes a message as a list of chunks; large byte strings are the very arrays of the message, not copies. */
export function encode<M extends Message>(schema: Schema<M>, message: M): Uint8Array[] {
  const writer = new BackwardWriter();
  encodeMessage(writer, schema, message as Message as Fields);
  return writer.chunks();
}

function encodeMessage(writer: BackwardWriter, schema: Schema<Message>, message: Fields): void {
  const unknown = (message.unknown ?? []).toSorted((a, b) => a.number - b.number);
  const writeUnknownAbove = (number: number): void => {
    while (unknown.length > 0 && unknown.at(-1)!.number >= number) writer.bytes(unknown.pop()!.bytes);
  };
  for (const field of schema.descending) {
    writeUnknownAbove(field.number);
    const value = message[field.key];
    if (value === undefined) continue;
    const values = field.many ? (value as readonly unknown[]) : [value];
    for (let index = values.length - 1; index >= 0; index--) encodeField(writer, field, values[index]);
  }
  writeUnknownAbove(0);
}

function encodeField(writer: BackwardWriter, {number, kind}: Field, value: unknown): void {
  let wire: WireType = WIRE.delimited;
  const end = writer.length;
  if (kind === 'int') {
    wire = WIRE.varint;
    writer.varint(value as Int64);
  } else if (kind === 'float') {
    wire = WIRE.fixed32;
    writer.float(value as number);
  } else if (kind === 'string') writer.bytes(TO_UTF8.encode(value as string));
  else if (kind === 'bytes') writer.bytes(value as Uint8Array);
  else if (kind === 'runs') {
    const run = value as NumberRun;
    wire = run.wire;
    writer.bytes(run.bytes);
  } else encodeMessage(writer, kind(), value as Fields);
  if (wire === WIRE.delimited) writer.varint(writer.length - end);
  writer.varint(number * 8 + wire);
}

const BLOCK_BYTES = 64 * 1024;
const OWN_CHUNK_BYTES_MIN = 4096;

/** Writes from the end to the beginning, so that a message's length is known when it is to be written. */
class BackwardWriter {
  readonly #done: Uint8Array[] = [];
  #block = new Uint8Array(BLOCK_BYTES);
  #start = BLOCK_BYTES;
  #end = BLOCK_BYTES;
  length = 0;

  bytes(value: Uint8Array): void {
    this.length += value.length;
    if (value.length >= OWN_CHUNK_BYTES_MIN) {
      this.#flush();
      this.#done.push(value);
      return;
    }
    this.#reserve(value.length);
    this.#block.set(value, this.#start);
  }

  varint(value: Int64): void {
    const digits: number[] = [];
    if (typeof value === 'number' && value >= 0) {
      let rest = value;
      for (; rest >= 128; rest = Math.floor(rest / 128)) digits.push((rest % 128) | 0x80);
      digits.push(rest);
    } else {
      let rest = BigInt.asUintN(64, BigInt(value));
      for (; rest >= 128n; rest >>= 7n) digits.push(Number(rest & 0x7fn) | 0x80);
      digits.push(Number(rest));
    }
    this.length += digits.length;
    this.#reserve(digits.length);
    this.#block.set(digits, this.#start);
  }

  float(value: number): void {
    this.length += 4;
    this.#reserve(4);
    new DataView(this.#block.buffer).setFloat32(this.#start, value, true);
  }

  chunks(): Uint8Array[] {
    this.#flush();
    return this.#done.toReversed();
  }

  #reserve(count: number): void {
    if (this.#start < count) {
      this.#flush();
      this.#block = new Uint8Array(BLOCK_BYTES);
      this.#start = this.#end = BLOCK_BYTES;
    }
    this.#start -= count;
  }

  #flush(): void {
    if (this.#start < this.#end) this.#done.push(this.#block.subarray(this.#start, this.#end));
    this.#end = this.#start;
  }
}

/** Joins chunks into one array. */
export function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
