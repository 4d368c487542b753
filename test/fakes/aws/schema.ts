/**
 * The schemas that the AWS SDK's clients (version 3) export as `CreateFunctionRequest$`, `CreateFunction$` and so on.
 * They are arrays; what stands where was read from the packages themselves.
 *
 * - `[9, namespace, name, traits, input, output]` is an operation,
 * - `[3, namespace, name, traits, members, types, required]` a structure, of which the first so many are required; -3 an error, 4 a union,
 * - `[1, namespace, name, traits, member]` a list, `[2, namespace, name, traits, key, value]` a map,
 * - `[0, namespace, name, traits, type]` a simple type with traits, and a bare number one without: see SIMPLE; 64 and 128 added to it make lists and maps of it.
 *
 * A type may stand behind a function, and with further traits in an array `[type, traits]`.
 */
export type Schema = number | string | readonly unknown[] | (() => Schema);

/** Traits that are said by name. */
export interface Traits {
  readonly http?: readonly [method: string, uri: string, status: number];
  readonly httpQuery?: string;
  readonly httpHeader?: string;
  readonly httpPrefixHeaders?: string;
  readonly xmlName?: string;
  readonly xmlFlattened?: number;
  readonly httpError?: number;
  readonly awsQueryError?: readonly [code: string, status: number];
  readonly streaming?: number;
  readonly httpLabel?: boolean;
  readonly httpPayload?: boolean;
  readonly httpResponseCode?: boolean;
}

/** The bits of traits that are said by a number. */
const TRAIT_BITS: readonly [bit: number, name: keyof Traits][] = [
  [1, 'httpLabel'],
  [16, 'httpPayload'],
  [32, 'httpResponseCode'],
];

export type Simple = 'string' | 'number' | 'boolean' | 'timestamp' | 'blob' | 'document';
const SIMPLE: {readonly [code: number]: Simple} = {
  0: 'string',
  1: 'number',
  2: 'boolean',
  4: 'timestamp',
  5: 'timestamp',
  6: 'timestamp',
  7: 'timestamp',
  15: 'document',
  17: 'number',
  19: 'number',
  21: 'blob',
  42: 'blob',
};

/** How a moment is written; null: as the protocol does by itself. */
export type TimestampFormat = 'date-time' | 'http-date' | 'epoch-seconds' | null;
const TIMESTAMPS: {readonly [code: number]: TimestampFormat} = {
  5: 'date-time',
  6: 'http-date',
  7: 'epoch-seconds',
};

/** A member of a structure. */
export interface Member {
  readonly name: string;
  readonly schema: Schema;
  readonly traits: Traits;
  readonly required: boolean;
}

/** A schema, read. */
export type Shape =
  | {readonly kind: Simple; readonly format: TimestampFormat; readonly traits: Traits}
  | {readonly kind: 'unit'; readonly traits: Traits}
  | {readonly kind: 'list'; readonly member: Schema; readonly traits: Traits}
  | {readonly kind: 'map'; readonly value: Schema; readonly traits: Traits}
  | {
      readonly kind: 'structure' | 'union';
      readonly name: string;
      readonly members: readonly Member[];
      readonly traits: Traits;
    };

/** An operation, read. */
export interface OperationShape {
  readonly name: string;
  readonly traits: Traits;
  readonly input: Schema;
  readonly output: Schema;
}

export function readTraits(traits: unknown): Traits {
  if (typeof traits === 'number') {
    return Object.fromEntries(TRAIT_BITS.filter(([bit]) => traits & bit).map(([, name]) => [name, true]));
  }
  return traits ?? {};
}

/** Reads one level of a schema. */
export function readShape(schema: Schema, outer: Traits = {}): Shape {
  if (typeof schema === 'function') return readShape(schema(), outer);
  if (schema === 'unit') return {kind: 'unit', traits: outer};
  if (typeof schema === 'number') {
    if (schema & 128) return {kind: 'map', value: schema & ~128, traits: outer};
    if (schema & 64) return {kind: 'list', member: schema & ~64, traits: outer};
    return {kind: SIMPLE[schema] ?? 'document', format: TIMESTAMPS[schema] ?? null, traits: outer};
  }
  if (typeof schema === 'string') throw new TypeError(`no schema: ${schema}`);
  const [kind] = schema;
  // `[type, traits]`
  if (schema.length === 2) {
    return readShape(schema[0] as Schema, {...readTraits(schema[1]), ...outer});
  }
  const traits = {...readTraits(schema[3]), ...outer};
  if (kind === 0) return readShape(schema[4] as Schema, traits);
  if (kind === 1) return {kind: 'list', member: schema[4] as Schema, traits};
  if (kind === 2) return {kind: 'map', value: schema[5] as Schema, traits};
  const names = schema[4] as readonly string[];
  const types = schema[5] as readonly Schema[];
  const required = (schema[6] as number | undefined) ?? 0;
  const members = names.map((name, i): Member => {
    const type = types[i] as Schema;
    const isPair = Array.isArray(type) && type.length === 2;
    return {
      name,
      schema: (isPair ? type[0] : type) as Schema,
      traits: isPair ? readTraits(type[1]) : {},
      required: i < required,
    };
  });
  return {kind: kind === 4 ? 'union' : 'structure', name: String(schema[2]), members, traits};
}

/** Reads an operation of a client's exports; null if it has none of that name. */
export function readOperation(client: object, name: string): OperationShape | null {
  const schema = (client as {[name: string]: unknown})[`${name}$`];
  if (!Array.isArray(schema) || schema[0] !== 9) return null;
  return {
    name,
    traits: readTraits(schema[3]),
    input: schema[4] as Schema,
    output: schema[5] as Schema,
  };
}

/** Every operation of a client's exports. */
export function readOperations(client: object): OperationShape[] {
  return Object.keys(client).flatMap((key) => readOperation(client, key.replace(/\$$/, '')) ?? []);
}

/** What a client's model says of one of its errors: the status, and the code that the query protocol sends. */
export function readError(client: object, type: string): {readonly status: number; readonly code: string} {
  const schema = (client as {[name: string]: unknown})[`${type}$`];
  const traits = Array.isArray(schema) ? readTraits(schema[3]) : {};
  const [code, status] = traits.awsQueryError ?? [type, traits.httpError ?? 400];
  return {code, status};
}

/** Where an input is not what its schema says. */
export interface Violation {
  /** `Environment.Variables`; empty for the input itself. */
  readonly path: string;
  readonly what: 'missing' | 'unknown' | 'type' | 'enum';
  readonly message: string;
}

/** The values that a member takes, by its name; undefined: any. */
export type EnumOf = (member: string) => readonly string[] | undefined;

const pathTo = (path: string, member: string): string => (path === '' ? member : `${path}.${member}`);

/** Lists what is wrong with an input: required members that are missing, members that nobody knows, types and enums. */
export function findViolations(schema: Schema, value: unknown, enumOf: EnumOf, path = ''): Violation[] {
  const shape = readShape(schema);
  const wrongType = (wanted: string): Violation[] => [
    {
      path,
      what: 'type',
      message: `${path || 'the input'} must be ${wanted}, and is ${JSON.stringify(value)}`,
    },
  ];
  switch (shape.kind) {
    case 'string': {
      if (typeof value !== 'string') return wrongType('a string');
      const values = enumOf(path.split('.').at(-1) ?? '');
      if (values === undefined || values.includes(value)) return [];
      const message = `Value '${value}' at '${lowerFirst(path)}' failed to satisfy constraint: Member must satisfy enum value set: [${values.join(', ')}]`;
      return [{path, what: 'enum', message}];
    }
    case 'number':
      return typeof value === 'number' ? [] : wrongType('a number');
    case 'boolean':
      return typeof value === 'boolean' ? [] : wrongType('a boolean');
    case 'timestamp':
      return value instanceof Date && !Number.isNaN(value.getTime()) ? [] : wrongType('a timestamp');
    case 'blob':
      return value instanceof Uint8Array ? [] : wrongType('a blob');
    case 'list':
      if (!Array.isArray(value)) return wrongType('a list');
      return value.flatMap((each: unknown) => findViolations(shape.member, each, enumOf, path));
    case 'map':
      if (!isObject(value)) return wrongType('a map');
      return Object.entries(value).flatMap(([key, each]) =>
        findViolations(shape.value, each, () => undefined, pathTo(path, key)),
      );
    case 'structure':
    case 'union':
      return isObject(value)
        ? findMemberViolations(shape.members, value, enumOf, path)
        : wrongType('a structure');
    default:
      return [];
  }
}

function findMemberViolations(
  members: readonly Member[],
  value: {readonly [member: string]: unknown},
  enumOf: EnumOf,
  path: string,
): Violation[] {
  const known = new Set(members.map(({name}) => name));
  const unknown = Object.keys(value)
    .filter((name) => !known.has(name))
    .map((name): Violation => {
      const at = pathTo(path, name);
      return {path: at, what: 'unknown', message: `${at} is no member of the request`};
    });
  const ofKnown = members.flatMap(({name, schema, required}) => {
    const at = pathTo(path, name);
    if (value[name] !== undefined) return findViolations(schema, value[name], enumOf, at);
    if (!required) return [];
    const message = `Value null at '${lowerFirst(at)}' failed to satisfy constraint: Member must not be null`;
    return [{path: at, what: 'missing' as const, message}];
  });
  return [...unknown, ...ofKnown];
}

/** Names as the services' messages write them. */
export const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

export const isObject = (value: unknown): value is {readonly [member: string]: unknown} =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
