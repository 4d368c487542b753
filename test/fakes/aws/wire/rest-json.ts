import {isObject, readShape, type Member, type Schema} from '../schema.ts';
import {fromJson, parseJson, toJson, type Decoded, type Protocol, type WireRequest} from './message.ts';
import {createRouter} from './route.ts';

const JSON_TYPE = 'application/json';

/** The protocol REST-JSON: what an operation is, and part of its input, stands in method, path, query and headers. */
export function restJson(client: object): Protocol {
  const route = createRouter(client);
  return {
    decode(request) {
      const found = route(request);
      if (found === null) return null;
      const bound = bindInput(found.operation.input, request, found.labels, found.ownQuery);
      return bound === null ? null : {operation: found.operation, input: bound};
    },
    encode(operation, value, requestId) {
      const members = membersOf(operation.output);
      const output = (value ?? {}) as {readonly [member: string]: unknown};
      const headers: {[name: string]: string} = {'x-amzn-requestid': requestId};
      let status = operation.traits.http?.[2] ?? 200;
      let body: Buffer | string | null = null;
      const inBody: {[member: string]: unknown} = {...output};
      for (const {name, schema, traits} of members) {
        const each = output[name];
        if (traits.httpHeader === undefined && !traits.httpResponseCode && !traits.httpPayload) continue;
        delete inBody[name];
        if (each === undefined) continue;
        if (traits.httpHeader !== undefined)
          headers[traits.httpHeader] = typeof each === 'string' ? each : JSON.stringify(each);
        else if (traits.httpResponseCode) status = Number(each);
        else body = each instanceof Uint8Array ? Buffer.from(each) : JSON.stringify(toJson(schema, each));
      }
      if (status === 204) return {status, headers, body: ''};
      headers['content-type'] = JSON_TYPE;
      return {status, headers, body: body ?? JSON.stringify(toJson(operation.output, inBody))};
    },
    encodeError: ({refusal, status}, requestId) => ({
      status,
      headers: {
        'content-type': JSON_TYPE,
        'x-amzn-requestid': requestId,
        'x-amzn-errortype': refusal.type,
      },
      body: JSON.stringify({
        Type: status < 500 ? 'User' : 'Service',
        Message: refusal.message,
        ...refusal.members,
      }),
    }),
  };
}

/** Puts an input together from all over the request; null if its body is not what it must be. */
function bindInput(
  schema: Schema,
  request: WireRequest,
  labels: {readonly [name: string]: string},
  ownQuery: ReadonlySet<string>,
): Decoded['input'] | null {
  const members = membersOf(schema);
  const input: {[member: string]: unknown} = {};
  let payload: Member | null = null;
  const queried = new Set([...ownQuery, 'x-id']);
  for (const member of members) {
    const {name, traits} = member;
    if (traits.httpLabel) input[name] = parseText(member.schema, labels[name] ?? '');
    else if (traits.httpQuery !== undefined) {
      queried.add(traits.httpQuery);
      const values = request.query.getAll(traits.httpQuery);
      if (values.length > 0) input[name] = parseQueried(member.schema, values);
    } else if (traits.httpHeader !== undefined) {
      const text = request.headers[traits.httpHeader.toLowerCase()];
      if (text !== undefined) input[name] = parseText(member.schema, text);
    } else if (traits.httpPayload) payload = member;
  }
  for (const name of request.query.keys()) if (!queried.has(name)) input[name] = request.query.get(name);
  if (payload !== null) {
    const isBlob = readShape(payload.schema).kind === 'blob';
    if (isBlob) {
      if (request.body.length > 0) input[payload.name] = request.body;
      return input;
    }
    const json = parseJson(request.body);
    if (json === undefined) return null;
    return {...input, [payload.name]: fromJson(payload.schema, json)};
  }
  const json = parseJson(request.body);
  if (!isObject(json)) return null;
  return {...(fromJson(schema, json) as object), ...input};
}

function membersOf(schema: Schema): readonly Member[] {
  const shape = readShape(schema);
  return shape.kind === 'structure' ? shape.members : [];
}

/** A value that stands in a header, a path or a query. */
export function parseText(schema: Schema, text: string): unknown {
  const {kind} = readShape(schema);
  if (kind === 'number') return Number(text);
  if (kind === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  return text;
}

function parseQueried(schema: Schema, values: readonly string[]): unknown {
  const shape = readShape(schema);
  return shape.kind === 'list'
    ? values.map((value) => parseText(shape.member, value))
    : parseText(schema, values[0] ?? '');
}
