import * as z from 'zod';
import type {Problem} from './document.ts';

type JsonSchema = {
  properties?: {[key: string]: JsonSchema};
  additionalProperties?: JsonSchema | boolean;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
};

/** Reads a value against a schema: either what it means, or everything that is wrong with it. */
export function checkAgainst<T>(
  schema: z.ZodType<T>,
  value: unknown,
):
  | {readonly value: T; readonly problems: readonly []}
  | {readonly value: null; readonly problems: readonly Problem[]} {
  const result = schema.safeParse(value, {reportInput: true});
  if (result.success) return {value: result.data, problems: []};
  const shape = z.toJSONSchema(schema, {io: 'input', unrepresentable: 'any'}) as JsonSchema;
  return {value: null, problems: result.error.issues.flatMap((issue) => problemsOf(issue, shape))};
}

function problemsOf(issue: z.core.$ZodIssue, shape: JsonSchema): Problem[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  switch (issue.code) {
    case 'unrecognized_keys': {
      const knownKeys = keysAt(shape, path);
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: 'unknown key',
        unknownKey: true,
        knownKeys,
      }));
    }
    case 'invalid_key':
      return issue.issues.map((inner) => ({path, message: inner.message, unknownKey: true}));
    case 'invalid_union': {
      const branch = closestBranch(issue.errors);
      if (branch)
        return branch.flatMap((inner) => problemsOf({...inner, path: [...path, ...inner.path]}, shape));
      return [{path, message: `cannot be ${show(issue.input)}`}];
    }
    case 'invalid_type':
      if (issue.input === undefined) return [{path, message: 'is missing'}];
      if (!isDefaultMessage(issue)) return [{path, message: `${issue.message}, not ${show(issue.input)}`}];
      return [{path, message: `must be ${article(issue.expected)}, not ${show(issue.input)}`}];
    case 'invalid_value':
      return [{path, message: `must be ${oneOf(issue.values.map(String))}, not ${show(issue.input)}`}];
    case 'too_small':
      return [{path, message: `must be at least ${issue.minimum}, not ${show(issue.input)}`}];
    default:
      return [{path, message: `${issue.message}, not ${show(issue.input)}`}];
  }
}

/** Of the ways a union could have been meant, the one that got furthest: whose key, at least, was there. */
function closestBranch(branches: z.core.$ZodIssue[][]): z.core.$ZodIssue[] | undefined {
  return branches.find((issues) => issues.every((issue) => issue.path.length > 0 && !isAnother(issue)));
}

/** The key that the branch is for is missing, or cannot be one of its keys. */
const isAnother = (issue: z.core.$ZodIssue): boolean =>
  issue.path.length === 1 &&
  (issue.code === 'invalid_key' || (issue.code === 'invalid_type' && issue.input === undefined));

/** A schema that can say better than its type what it wants brings a message of its own. */
const isDefaultMessage = (issue: z.core.$ZodIssue): boolean => issue.message.startsWith('Invalid input');

/** The keys that a schema knows at some place in a document. */
function keysAt(shape: JsonSchema, path: readonly (string | number)[]): string[] {
  let here: JsonSchema | undefined = shape;
  for (const [depth, part] of path.entries()) {
    // Of several ways to write something, the one that has that key, or takes any.
    const ways: JsonSchema[] | undefined = here?.anyOf;
    if (ways) {
      const rest = path.slice(depth);
      return ways.map((way) => keysAt(way, rest)).find((keys) => keys.length > 0) ?? [];
    }
    const rest: JsonSchema | boolean | undefined = here?.additionalProperties;
    here = here?.properties?.[String(part)] ?? here?.items ?? (typeof rest === 'object' ? rest : undefined);
  }
  return Object.keys(here?.properties ?? {});
}

/** The user's own value, short enough for a message. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 40 ? `${text.slice(0, 37)}…` : text;
}

const article = (type: string): string =>
  ({string: 'text', object: 'a mapping', record: 'a mapping', array: 'a list', int: 'a whole number'})[
    type
  ] ?? `a ${type}`;

function oneOf(options: readonly string[]): string {
  return options.length < 2 ? (options[0] ?? '') : `${options.slice(0, -1).join(', ')} or ${options.at(-1)}`;
}
