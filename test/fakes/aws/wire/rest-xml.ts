import {readShape} from '../schema.ts';
import type {Protocol} from './message.ts';
import {parseText} from './rest-json.ts';
import {createRouter} from './route.ts';
import {element, escapeXml, fromXml, parseXml, toXml} from './xml.ts';

/** The protocol REST-XML as S3 speaks it, with the bucket first in the path. */
export function restXml(client: object, namespace: string): Protocol {
  const route = createRouter(client);
  const head = '<?xml version="1.0" encoding="UTF-8"?>';
  return {
    decode(request) {
      const [, bucket = '', ...rest] = request.path.split('/');
      const found = route({...request, path: `/${rest.join('/')}`});
      if (found === null) return null;
      const shape = readShape(found.operation.input);
      const members = shape.kind === 'structure' ? shape.members : [];
      const input: {[member: string]: unknown} = {Bucket: decodeURIComponent(bucket), ...found.labels};
      for (const {name, schema, traits} of members) {
        const header = traits.httpHeader && request.headers[traits.httpHeader.toLowerCase()];
        const queried = traits.httpQuery && request.query.get(traits.httpQuery);
        const text = header ?? queried;
        if (typeof text === 'string' && text !== '') input[name] = parseText(schema, text);
        if (!traits.httpPayload || request.body.length === 0) continue;
        const {kind} = readShape(schema);
        if (kind === 'blob') input[name] = request.body;
        else {
          const document = parseXml(request.body.toString('utf8'));
          if (document === null) return null;
          input[name] = fromXml(schema, document);
        }
      }
      return {operation: found.operation, input};
    },
    encode(operation, value, requestId) {
      const status = operation.traits.http?.[2] ?? 200;
      const headers = {'x-amz-request-id': requestId, 'content-type': 'application/xml'};
      const shape = readShape(operation.output);
      if (shape.kind !== 'structure' || value === undefined) return {status, headers, body: ''};
      const output = value as {readonly [member: string]: unknown};
      const inHeaders = shape.members.filter(
        ({name, traits}) => traits.httpHeader !== undefined && output[name] !== undefined,
      );
      for (const {name, traits} of inHeaders) {
        Object.assign(headers, {[traits.httpHeader as string]: String(output[name])});
      }
      const inBody = Object.fromEntries(
        Object.entries(output).filter(([name]) => !inHeaders.some((member) => member.name === name)),
      );
      const root = shape.traits.xmlName ?? shape.name;
      const body = head + element(root, toXml(operation.output, inBody), ` xmlns="${namespace}"`);
      return {status, headers, body: operation.traits.http?.[0] === 'HEAD' ? '' : body};
    },
    encodeError({refusal, status, code}, requestId) {
      const content =
        element('Code', escapeXml(code)) +
        element('Message', escapeXml(refusal.message)) +
        element('RequestId', requestId);
      const {BucketRegion} = refusal.members;
      return {
        status,
        headers: {
          'x-amz-request-id': requestId,
          'content-type': 'application/xml',
          ...(BucketRegion !== undefined && {'x-amz-bucket-region': BucketRegion}),
        },
        body: head + element('Error', content),
      };
    },
  };
}
