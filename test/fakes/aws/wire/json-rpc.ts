import {isObject, readOperation} from '../schema.ts';
import {fromJson, parseJson, toJson, type Protocol} from './message.ts';

/**
 * The protocols AWS JSON 1.0 and 1.1: every request is a POST to `/`, and `x-amz-target` names the operation.
 *
 * @param target what stands before the operation's name
 */
export function jsonRpc(client: object, target: string, version: '1.0' | '1.1'): Protocol {
  const contentType = `application/x-amz-json-${version}`;
  return {
    decode({method, path, headers, body}) {
      const [prefix, name = ''] = (headers['x-amz-target'] ?? '').split('.');
      const operation = prefix === target ? readOperation(client, name) : null;
      const json = parseJson(body);
      if (method !== 'POST' || path !== '/' || operation === null || !isObject(json)) return null;
      if (headers['content-type'] !== contentType) return null;
      return {operation, input: fromJson(operation.input, json) as {[member: string]: unknown}};
    },
    encode: ({output}, value, requestId) => ({
      status: 200,
      headers: {'content-type': contentType, 'x-amzn-requestid': requestId},
      body: value === undefined ? '' : JSON.stringify(toJson(output, value)),
    }),
    encodeError: ({refusal, status, code}, requestId) => ({
      status,
      headers: {
        'content-type': contentType,
        'x-amzn-requestid': requestId,
        // What tells clients that came from the query protocol what it was called there.
        ...(version === '1.0' && {'x-amzn-query-error': `${code};Sender`}),
      },
      body: JSON.stringify({__type: refusal.type, message: refusal.message, ...refusal.members}),
    }),
  };
}
