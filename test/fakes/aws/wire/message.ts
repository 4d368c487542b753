import {isObject, readShape, type OperationShape, type Schema, type TimestampFormat} from '../schema.ts';
import type {Refusal} from '../refusal.ts';

/** A request as it came over the wire, whole. */
export interface WireRequest {
  readonly method: string;
  /** Without the query, not decoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: {readonly [name: string]: string};
  readonly body: Buffer;
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: {readonly [name: string]: string};
  readonly body: Buffer | string;
}

/** A request, understood. */
export interface Decoded {
  readonly operation: OperationShape;
  readonly input: {readonly [member: string]: unknown};
}

/** A refusal with what the service's model says of its type. */
export interface ModelledError {
  readonly refusal: Refusal;
  readonly status: number;
  /** What the query protocol calls it. */
  readonly code: string;
}

/** How a service is spoken to. */
export interface Protocol {
  /** Null: no such operation. */
  decode(request: WireRequest): Decoded | null;
  encode(operation: OperationShape, output: unknown, requestId: string): WireAnswer;
  encodeError(error: ModelledError, requestId: string): WireAnswer;
}

/** Makes values of JSON; members that the schema does not know stay as they are. */
export function fromJson(schema: Schema, json: unknown): unknown {
  const shape = readShape(schema);
  switch (shape.kind) {
    case 'timestamp':
      return typeof json === 'number'
        ? new Date(json * 1000)
        : typeof json === 'string'
          ? new Date(json)
          : json;
    case 'blob':
      return typeof json === 'string' ? Buffer.from(json, 'base64') : json;
    case 'list':
      return Array.isArray(json) ? json.map((each: unknown) => fromJson(shape.member, each)) : json;
    case 'map':
      return isObject(json) ? mapValues(json, (_, each) => fromJson(shape.value, each)) : json;
    case 'structure':
    case 'union': {
      const types = new Map(shape.members.map(({name, schema}) => [name, schema]));
      if (!isObject(json)) return json;
      const present = Object.entries(json).filter(([, each]) => each !== null);
      return mapValues(Object.fromEntries(present), (name, each) => {
        const type = types.get(name);
        return type === undefined ? each : fromJson(type, each);
      });
    }
    default:
      return json;
  }
}

/**
 * Makes JSON of an output.
 *
 * @throws TypeError for a member that the schema does not know: the fake's bug
 */
export function toJson(schema: Schema, value: unknown, path = ''): unknown {
  const shape = readShape(schema);
  switch (shape.kind) {
    case 'timestamp':
      return renderTimestamp(value as Date, shape.format ?? 'epoch-seconds');
    case 'blob':
      return Buffer.from(value as Uint8Array).toString('base64');
    case 'list':
      return (value as unknown[]).map((each) => toJson(shape.member, each, path));
    case 'map':
      return mapValues(value as {[key: string]: unknown}, (_, each) => toJson(shape.value, each, path));
    case 'structure':
    case 'union': {
      const types = new Map(shape.members.map(({name, schema}) => [name, schema]));
      const present = Object.entries(value as object).filter(([, each]) => each !== undefined);
      return mapValues(Object.fromEntries(present), (name, each) => {
        const type = types.get(name);
        if (type === undefined) throw new TypeError(`${path}.${name} is no member of the answer`);
        return toJson(type, each, `${path}.${name}`);
      });
    }
    default:
      return value;
  }
}

export function renderTimestamp(value: Date, format: NonNullable<TimestampFormat>): string | number {
  if (format === 'date-time') return value.toISOString();
  return format === 'http-date' ? value.toUTCString() : value.getTime() / 1000;
}

function mapValues<T>(
  values: {readonly [key: string]: unknown},
  map: (key: string, value: unknown) => T,
): {[key: string]: T} {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, map(key, value)]));
}

/** Parses a body that shall be JSON; undefined if it is not. */
export function parseJson(body: Buffer): unknown {
  try {
    return body.length === 0 ? {} : JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
