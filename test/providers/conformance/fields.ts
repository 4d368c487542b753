import type {Json, JsonObject} from '../../../src/core/json.ts';
import type {Change} from '../../../src/core/plan.ts';
import {VALUES, type Wanted} from './desk.ts';
import type {Harness, Traits} from './harness.ts';

/** One thing that a user can set, with two values for it. */
export interface Field {
  /** As a plan must name it. */
  readonly path: string;
  /** How the change is told apart from other changes of the same field. */
  readonly what: string;
  readonly before: (wanted: Wanted, harness: Harness) => Wanted;
  readonly after: (wanted: Wanted, harness: Harness) => Wanted;
}

/** Every field that can be set at this provider: from its limits, and from the schema of its options. */
export function settableFields(traits: Traits): readonly Field[] {
  return [...functionFields(traits), ...optionFields(traits)];
}

/** Whether a change is reported under a field's path: at it, below it or above it; an option may name its unit. */
export function isNamedBy({path}: Change, field: Field): boolean {
  const option = field.path.startsWith('options.') && path.startsWith(field.path);
  const below = path.startsWith(`${field.path}.`) || path.startsWith(`${field.path}[`);
  return path === field.path || below || field.path.startsWith(`${path}.`) || option;
}

type Spec = Wanted['spec'];

function functionFields({driver: {limits}, secretSource}: Traits): Field[] {
  const spec = (path: string, what: string, before: Partial<Spec>, after: Partial<Spec>): Field => ({
    path,
    what,
    before: (wanted) => ({...wanted, spec: {...wanted.spec, ...before}}),
    after: (wanted) => ({...wanted, spec: {...wanted.spec, ...after}}),
  });
  const resource = (name: keyof Spec['resources'], before: number | null, after: number): Field => {
    const set = (value: number | null) => (wanted: Wanted) => ({
      ...wanted,
      spec: {...wanted.spec, resources: {...wanted.spec.resources, [name]: value}},
    });
    return {path: `resources.${name}`, what: `${before} to ${after}`, before: set(before), after: set(after)};
  };
  const value = (name: string, before: string | null, after: string | null): Field => {
    const set = (value: string | null) => (wanted: Wanted) => {
      const {[name]: _, ...others} = wanted.values;
      return {...wanted, values: value === null ? others : {...others, [name]: value}};
    };
    return {path: `env.${name}`, what: entryChange(before, after), before: set(before), after: set(after)};
  };
  const within = ({min, max}: {min: number; max: number}, wish: number): number =>
    Math.min(max, Math.max(min, wish));
  const secret = (before: string | null, after: string | null): Field => {
    const set = (source: string | null): Spec['secrets'] => (source === null ? {} : {KEY: source});
    return spec('secrets.KEY', entryChange(before, after), {secrets: set(before)}, {secrets: set(after)});
  };
  const window = {up: '0 8 * * 1-5', down: '0 18 * * 1-5', timezone: 'Europe/Berlin', min: 1};
  const http = (auth: 'iam' | 'none'): Spec['triggers'][number] => ({kind: 'http', auth});
  const cron: Spec['triggers'][number] = {kind: 'schedule', cron: '0 3 * * *'};
  const {memoryMb, concurrency, maxInstances} = limits;

  return [
    {
      path: 'image',
      what: 'to another one',
      before: (wanted, {images}) => ({...wanted, image: images[0]}),
      after: (wanted, {images}) => ({...wanted, image: images[1]}),
    },
    resource(
      'memoryMb',
      within(memoryMb, 1024),
      within(memoryMb, 1024) === memoryMb.max ? memoryMb.min : memoryMb.max,
    ),
    resource('timeoutMs', 10_000, Math.min(20_000, limits.timeoutMs.max)),
    ...(limits.cpu ? [resource('cpu', null, within(limits.cpu, 1))] : []),
    ...(concurrency.max > concurrency.min
      ? [resource('concurrency', concurrency.min, within(concurrency, concurrency.min + 1))]
      : []),
    spec(
      'scaling.maxInstances',
      'raised by one',
      {scaling: {maxInstances: within(maxInstances, 2)}},
      {scaling: {maxInstances: within(maxInstances, 3)}},
    ),
    ...(limits.warm.min
      ? [spec('warm.min', '0 to 1', {warm: {min: 0, schedule: []}}, {warm: {min: 1, schedule: []}})]
      : []),
    ...(limits.warm.schedule
      ? [spec('warm.schedule', 'added', {warm: {min: 0, schedule: []}}, {warm: {min: 0, schedule: [window]}})]
      : []),
    value('GREETING', VALUES.GREETING, 'good-evening-4711-Xq'),
    value('ADDED', null, 'a-new-value-1234'),
    value('OLD', VALUES.OLD, null),
    ...(secretSource === null
      ? []
      : [secret(null, secretSource), secret(secretSource, `${secretSource}-2`), secret(secretSource, null)]),
    ...(limits.auth.includes('iam') && limits.auth.includes('none')
      ? [spec('triggers', 'auth from iam to none', {triggers: [http('iam')]}, {triggers: [http('none')]})]
      : []),
    ...('schedule' in limits.triggers
      ? [spec('triggers', 'a schedule added', {triggers: [http('none')]}, {triggers: [http('none'), cron]})]
      : []),
  ];
}

function optionFields({driver: {optionsSchema}, optionValues = {}, placeOptions = []}: Traits): Field[] {
  const properties = (optionsSchema['properties'] ?? {}) as {readonly [name: string]: JsonObject};
  return Object.entries(properties).flatMap(([name, schema]) => {
    if (placeOptions.includes(name)) return [];
    const set = (value: Json | undefined) => (wanted: Wanted) => {
      const {[name]: _, ...others} = wanted.options;
      return {...wanted, options: value === undefined ? others : {...others, [name]: value}};
    };
    const field = (path: string, what: string, before: Json | undefined, after: Json | undefined): Field => {
      return {path, what, before: set(before), after: set(after)};
    };
    const path = `options.${name}`;
    if (isMap(schema)) {
      return [
        field(`${path}.a`, 'added', {}, {a: 'one'}),
        field(`${path}.a`, 'changed', {a: 'one', b: 'two'}, {a: 'other', b: 'two'}),
        field(`${path}.a`, 'removed', {a: 'one', b: 'two'}, {b: 'two'}),
      ];
    }
    const before = schema['default'];
    const after = Object.hasOwn(optionValues, name) ? (optionValues[name] ?? null) : otherValue(name, schema);
    return [field(path, `${JSON.stringify(before)} to ${JSON.stringify(after)}`, before, after)];
  });
}

const isMap = (schema: JsonObject): boolean =>
  schema['type'] === 'object' && typeof schema['additionalProperties'] === 'object';

/** A value that the schema allows and that is not its default. */
function otherValue(name: string, schema: JsonObject): Json {
  const standard = schema['default'] ?? null;
  const choices = [...((schema['enum'] ?? []) as Json[]), ...((schema['examples'] ?? []) as Json[])];
  const choice = choices.find((candidate) => candidate !== standard);
  if (choice !== undefined) return choice;
  if (typeof standard === 'boolean') return !standard;
  const {minimum, maximum} = schema;
  if (typeof standard === 'number') {
    const bound = [minimum, maximum].find(
      (candidate) => typeof candidate === 'number' && candidate !== standard,
    );
    return bound ?? standard + 1;
  }
  throw new Error(`the schema does not say which other value options.${name} could have: give it an example`);
}

const entryChange = (before: string | null, after: string | null): string =>
  before === null ? 'added' : after === null ? 'removed' : 'changed';
