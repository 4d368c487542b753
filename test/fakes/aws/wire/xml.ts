import {readShape, type Schema} from '../schema.ts';
import {renderTimestamp} from './message.ts';

const ENTITIES: {readonly [character: string]: string} = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#xD;',
};

export const escapeXml = (text: string): string =>
  text.replace(/[&<>"\r]/g, (each) => ENTITIES[each] ?? each);

/** One element. */
export const element = (name: string, content: string, attributes = ''): string =>
  `<${name}${attributes}>${content}</${name}>`;

/** Renders what stands inside the element of a value. */
export function toXml(schema: Schema, value: unknown): string {
  const shape = readShape(schema);
  switch (shape.kind) {
    case 'timestamp':
      return String(renderTimestamp(value as Date, shape.format ?? 'date-time'));
    case 'blob':
      return Buffer.from(value as Uint8Array).toString('base64');
    case 'list': {
      const name = readShape(shape.member).traits.xmlName ?? 'member';
      return (value as unknown[]).map((each) => element(name, toXml(shape.member, each))).join('');
    }
    case 'map':
      return Object.entries(value as object)
        .map(([key, each]) =>
          element('entry', element('key', escapeXml(key)) + element('value', toXml(shape.value, each))),
        )
        .join('');
    case 'structure':
    case 'union': {
      const given = value as {readonly [member: string]: unknown};
      const stranger = Object.keys(given).find(
        (name) => !shape.members.some((member) => member.name === name),
      );
      if (stranger !== undefined) throw new TypeError(`${stranger} is no member of the answer`);
      return shape.members
        .filter(({name}) => given[name] !== undefined)
        .map(({name, schema, traits}) => {
          const tag = traits.xmlName ?? name;
          const type = readShape(schema);
          if (traits.xmlFlattened && type.kind === 'list') {
            return (given[name] as unknown[]).map((each) => element(tag, toXml(type.member, each))).join('');
          }
          return element(tag, toXml(schema, given[name]));
        })
        .join('');
    }
    default:
      return escapeXml(String(value));
  }
}

/** An element as it was read. */
export interface Element {
  readonly name: string;
  readonly children: readonly Element[];
  readonly text: string;
}

/** Reads a document as the clients write them: elements, attributes that do not matter, text. Null: it is none. */
export function parseXml(text: string): Element | null {
  const root: Element & {children: Element[]} = {name: '', children: [], text: ''};
  const open: {name: string; children: Element[]; text: string}[] = [root];
  const pieces = /<\?[^>]*\?>|<(\/?)([\w:.-]+)[^>]*?(\/?)>|([^<]+)/g;
  for (const [, closing, name, single, content] of text.matchAll(pieces)) {
    const current = open.at(-1);
    if (current === undefined) return null;
    if (content !== undefined) current.text += unescapeXml(content);
    else if (name === undefined) continue;
    else if (closing) {
      if (current.name !== name) return null;
      open.pop();
    } else {
      const child = {name, children: [], text: ''};
      current.children.push(child);
      if (!single) open.push(child);
    }
  }
  return open.length === 1 ? (root.children[0] ?? null) : null;
}

const unescapeXml = (text: string): string =>
  text
    .replace(/&#x([0-9a-fA-F]+);/g, (_, hex: string) => String.fromCodePoint(parseInt(hex, 16)))
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&apos;/g, "'")
    .replace(/&amp;/g, '&');

/** Makes a value of an element; elements that the schema does not know become members of their own name. */
export function fromXml(schema: Schema, node: Element): unknown {
  const shape = readShape(schema);
  switch (shape.kind) {
    case 'number':
      return Number(node.text);
    case 'boolean':
      return node.text === 'true';
    case 'timestamp':
      return new Date(node.text);
    case 'blob':
      return Buffer.from(node.text, 'base64');
    case 'list':
      return node.children.map((each) => fromXml(shape.member, each));
    case 'structure':
    case 'union': {
      const value: {[member: string]: unknown} = {};
      for (const child of node.children) {
        const member = shape.members.find(({name, traits}) => (traits.xmlName ?? name) === child.name);
        if (member === undefined) {
          value[child.name] = child.text;
          continue;
        }
        const type = readShape(member.schema);
        if (member.traits.xmlFlattened && type.kind === 'list') {
          const before = (value[member.name] ?? []) as unknown[];
          value[member.name] = [...before, fromXml(type.member, child)];
        } else value[member.name] = fromXml(member.schema, child);
      }
      return value;
    }
    default:
      return node.text;
  }
}
