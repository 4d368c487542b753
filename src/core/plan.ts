import {canonicalJson, deepFreeze, sameJson, type Json, type JsonObject} from './json.ts';

/** An output of an earlier step: `{$ref: 'create-role.arn'}`. */
export interface Ref {
  readonly $ref: string;
}

/** Strings, some of them outputs of earlier steps, put together. */
export interface Join {
  readonly $join: readonly (string | Ref)[];
}

/** The value of a declared environment variable or secret, known only while the step runs. */
export interface Secret {
  readonly $secret: string;
}

/** A step's argument: JSON in which any object may instead be a reference. */
export type Arg =
  null | boolean | number | string | Ref | Join | Secret | readonly Arg[] | {readonly [key: string]: Arg};

/** One thing that a step changes. Values that must not be shown stand as fingerprints. */
export interface Change {
  readonly path: string;
  readonly from: Json;
  readonly to: Json;
}

/** One call to a provider. A step that only waits changes nothing. */
export interface Step {
  readonly id: string;
  /** Named as the provider's documentation names the call: `lambda:CreateFunction`. */
  readonly op: string;
  readonly args: {readonly [key: string]: Arg};
  readonly changes: readonly Change[];
  readonly why: string;
}

/** What shall happen, as data: steps in order, frozen. An up-to-date deployment plans no step. */
export interface Plan {
  readonly schema: 'thaw.plan/1';
  readonly provider: string;
  readonly function: string;
  readonly steps: readonly Step[];
  /** What a reader should know of the plan beside its steps: a price, a region, an image's size. */
  readonly facts: JsonObject;
}

/** What a step gave to later steps. */
export type Outputs = JsonObject;

/**
 * Makes a plan of some steps and freezes it.
 *
 * @throws TypeError if two steps share an id or a step refers to one that does not come before it: a planner's bug.
 */
export function makePlan(
  provider: string,
  functionName: string,
  steps: readonly Step[],
  facts: JsonObject = {},
): Plan {
  const seen = new Set<string>();
  for (const step of steps) {
    for (const ref of refsIn(step.args)) {
      const id = ref.slice(0, ref.indexOf('.'));
      if (!seen.has(id)) throw new TypeError(`step ${step.id} refers to ${ref}, which no earlier step gives`);
    }
    if (seen.has(step.id)) throw new TypeError(`two steps are called ${step.id}`);
    seen.add(step.id);
  }
  return deepFreeze({schema: 'thaw.plan/1', provider, function: functionName, steps: [...steps], facts});
}

/** The plan's steps that change something; the others wait. */
export function changingSteps(plan: Plan): readonly Step[] {
  return plan.steps.filter((step) => step.changes.length > 0);
}

/** Compares two sets of named values and lists what differs, as changes under a path. */
export function changesBetween(path: string, from: JsonObject, to: JsonObject): Change[] {
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort();
  return names
    .filter((name) => !sameJson(from[name], to[name]))
    .map((name) => ({
      path: path === '' ? name : `${path}.${name}`,
      from: from[name] ?? null,
      to: to[name] ?? null,
    }));
}

/**
 * Replaces every reference in an argument by its value.
 *
 * @throws TypeError if a step gave no such output.
 */
export function resolveArg(
  arg: Arg,
  outputs: ReadonlyMap<string, Outputs>,
  secret: (name: string) => string,
): Json {
  if (typeof arg !== 'object' || arg === null) return arg;
  if (Array.isArray(arg)) return arg.map((member: Arg) => resolveArg(member, outputs, secret));
  if (isRef(arg)) return resolveRef(arg, outputs);
  if (isJoin(arg)) {
    return arg.$join
      .map((part) => (typeof part === 'string' ? part : textOf(resolveRef(part, outputs))))
      .join('');
  }
  if (isSecret(arg)) return secret(arg.$secret);
  return Object.fromEntries(
    Object.entries(arg as {[key: string]: Arg}).map(([key, member]) => [
      key,
      resolveArg(member, outputs, secret),
    ]),
  );
}

function resolveRef({$ref}: Ref, outputs: ReadonlyMap<string, Outputs>): Json {
  const dot = $ref.indexOf('.');
  const value = outputs.get($ref.slice(0, dot))?.[$ref.slice(dot + 1)];
  if (value === undefined) throw new TypeError(`no step gave ${$ref}`);
  return value;
}

const textOf = (value: Json): string => (typeof value === 'string' ? value : canonicalJson(value));

function refsIn(arg: Arg): string[] {
  if (typeof arg !== 'object' || arg === null) return [];
  if (isRef(arg)) return [arg.$ref];
  if (isJoin(arg)) return arg.$join.filter((part) => typeof part !== 'string').map((part) => part.$ref);
  return Object.values(arg).flatMap((member: Arg) => refsIn(member));
}

const isRef = (arg: object): arg is Ref => '$ref' in arg;
const isJoin = (arg: object): arg is Join => '$join' in arg;
const isSecret = (arg: object): arg is Secret => '$secret' in arg;
