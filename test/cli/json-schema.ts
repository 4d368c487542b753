/** The part of JSON Schema that thaw's own schema uses. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: {readonly [key: string]: JsonSchema};
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly propertyNames?: JsonSchema;
  readonly items?: JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly $ref?: string;
  readonly $defs?: {readonly [name: string]: JsonSchema};
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly minLength?: number;
  readonly pattern?: string;
}

const KEYWORDS = new Set([
  '$defs',
  '$ref',
  '$schema',
  'additionalProperties',
  'anyOf',
  'const',
  'default',
  'description',
  'enum',
  'examples',
  'exclusiveMinimum',
  'format',
  'id',
  'items',
  'maxItems',
  'maximum',
  'minItems',
  'minLength',
  'minimum',
  'oneOf',
  'pattern',
  'prefixItems',
  'properties',
  'propertyNames',
  'required',
  'title',
  'type',
]);

/** What of a value does not conform to a schema, a line each. Throws at a keyword that it would have to ignore. */
export function conforms(
  schema: JsonSchema | boolean,
  value: unknown,
  path = '',
  defs: JsonSchema['$defs'] = typeof schema === 'object' ? schema.$defs : {},
): string[] {
  if (schema === true) return [];
  if (schema === false) return [`${path}: nothing may stand here`];
  const unknown = Object.keys(schema).filter((keyword) => !KEYWORDS.has(keyword));
  if (unknown.length > 0) throw new Error(`${path}: the schema uses ${unknown.join(', ')}`);
  const problems: string[] = [];
  const check = (rule: JsonSchema | boolean, part: unknown, place = path): string[] =>
    conforms(rule, part, place, defs);
  const refuse = (what: string): void => void problems.push(`${path}: ${what}`);

  if (schema.type !== undefined && ![schema.type].flat().some((type) => isOfType(type, value))) {
    refuse(`is no ${[schema.type].flat().join(' or ')}`);
  }
  if (schema.enum && !schema.enum.includes(value)) refuse(`is none of ${schema.enum.join(', ')}`);
  if (schema.const !== undefined && schema.const !== value) refuse(`is not ${JSON.stringify(schema.const)}`);
  if (schema.anyOf && !schema.anyOf.some((branch) => check(branch, value).length === 0)) {
    refuse('is none of the alternatives');
  }
  if (schema.oneOf && schema.oneOf.filter((branch) => check(branch, value).length === 0).length !== 1) {
    refuse('is not exactly one of the alternatives');
  }
  if (schema.$ref !== undefined) {
    const named = defs?.[schema.$ref.replace('#/$defs/', '')];
    if (!named) throw new Error(`${path}: the schema has no ${schema.$ref}`);
    problems.push(...check(named, value));
  }
  if (typeof value === 'number') {
    if (schema.minimum !== undefined && value < schema.minimum) refuse(`is below ${schema.minimum}`);
    if (schema.maximum !== undefined && value > schema.maximum) refuse(`is above ${schema.maximum}`);
    if (schema.exclusiveMinimum !== undefined && value <= schema.exclusiveMinimum) {
      refuse(`is not above ${schema.exclusiveMinimum}`);
    }
  }
  if (typeof value === 'string') {
    if (value.length < (schema.minLength ?? 0)) refuse('is too short');
    if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(value))
      refuse(`does not match ${schema.pattern}`);
  }
  if (Array.isArray(value)) {
    if (value.length < (schema.minItems ?? 0)) refuse('has too few items');
    if (value.length > (schema.maxItems ?? Infinity)) refuse('has too many items');
    for (const [index, item] of value.entries()) {
      problems.push(...check(schema.prefixItems?.[index] ?? schema.items ?? true, item, `${path}[${index}]`));
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const key of schema.required ?? []) if (!(key in value)) refuse(`has no ${key}`);
    for (const [key, member] of Object.entries(value)) {
      problems.push(...check(schema.propertyNames ?? true, key, `${path}.${key} (the name)`));
      const rule = schema.properties?.[key] ?? schema.additionalProperties ?? true;
      problems.push(...check(rule, member, `${path}.${key}`));
    }
  }
  return problems;
}

function isOfType(type: string, value: unknown): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === type;
}

/** The paths of the keys that a schema names, as far down as it has properties; lists are passed through. */
export function leafPathsOf(schema: JsonSchema, path = ''): string[] {
  const {properties} = schema;
  if (!properties) return path === '' ? [] : [path];
  return Object.entries(properties).flatMap(([key, member]) =>
    leafPathsOf(member, path === '' ? key : `${path}.${key}`),
  );
}
