import {readOperation, readShape, type Schema} from '../schema.ts';
import type {Protocol} from './message.ts';
import {parseText} from './rest-json.ts';
import {element, escapeXml, toXml} from './xml.ts';

/** The protocol AWS Query: forms in, XML out. */
export function query(client: object, version: string, namespace: string): Protocol {
  const xmlns = ` xmlns="${namespace}"`;
  const metadata = (requestId: string): string => element('RequestId', requestId);
  return {
    decode({method, path, headers, body}) {
      const form = new Map(new URLSearchParams(body.toString('utf8')));
      const operation = readOperation(client, form.get('Action') ?? '');
      const isForm = headers['content-type']?.startsWith('application/x-www-form-urlencoded') ?? false;
      if (method !== 'POST' || path !== '/' || operation === null || !isForm) return null;
      if (form.get('Version') !== version) return null;
      form.delete('Action');
      form.delete('Version');
      const input = (takeForm(operation.input, form, '') ?? {}) as {[member: string]: unknown};
      // What is left is nothing that the operation knows.
      return {operation, input: {...input, ...Object.fromEntries(form)}};
    },
    encode({name, output}, value, requestId) {
      const result =
        readShape(output).kind === 'unit' ? '' : element(`${name}Result`, toXml(output, value ?? {}));
      const content = result + element('ResponseMetadata', metadata(requestId));
      return {
        status: 200,
        headers: {'content-type': 'text/xml', 'x-amzn-requestid': requestId},
        body: element(`${name}Response`, content, xmlns),
      };
    },
    encodeError({refusal, status, code}, requestId) {
      const error = element(
        'Error',
        element('Type', status < 500 ? 'Sender' : 'Receiver') +
          element('Code', escapeXml(code)) +
          element('Message', escapeXml(refusal.message)),
      );
      return {
        status,
        headers: {'content-type': 'text/xml', 'x-amzn-requestid': requestId},
        body: element('ErrorResponse', error + metadata(requestId), xmlns),
      };
    },
  };
}

/** Takes a value out of a form: `Tags.member.1.Key`. Undefined if there is nothing of it. */
function takeForm(schema: Schema, form: Map<string, string>, path: string): unknown {
  const shape = readShape(schema);
  const under = (name: string): string => (path === '' ? name : `${path}.${name}`);
  const has = (prefix: string): boolean =>
    form.has(prefix) || [...form.keys()].some((key) => key.startsWith(`${prefix}.`));
  switch (shape.kind) {
    case 'structure':
    case 'union': {
      const value: {[member: string]: unknown} = {};
      for (const {name, schema, traits} of shape.members) {
        const at = under(traits.xmlName ?? name);
        if (has(at)) value[name] = takeForm(schema, form, at);
      }
      return value;
    }
    case 'list': {
      const values: unknown[] = [];
      for (let n = 1; has(under(`member.${n}`)); n++) {
        values.push(takeForm(shape.member, form, under(`member.${n}`)));
      }
      // An empty list is said by an empty value.
      if (form.get(path) === '') form.delete(path);
      return values;
    }
    case 'unit':
    case 'map':
      return undefined;
    default: {
      const text = form.get(path) ?? '';
      form.delete(path);
      return shape.kind === 'timestamp' ? new Date(text) : parseText(schema, text);
    }
  }
}
