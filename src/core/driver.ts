import type {ArchiveForm, ArchiveOnDisk} from './archive.ts';
import type {Deployment, LogLine, LogQuery, StartupRecord, Status} from './deployment.ts';
import type {FunctionSpec, Trigger, TriggerOption, Warmth} from './function.ts';
import type {Platform} from './image.ts';
import {deepFreeze, type Json, type JsonObject} from './json.ts';
import {resolveArg, type Arg, type Outputs, type Plan} from './plan.ts';
import type {ImageOnDisk, Ports, ProgressFn} from './ports.ts';
import type {Invocation} from './sample.ts';

/** What a provider can and cannot do. The rest of thaw branches on these, never on a provider's name. */
export interface Limits {
  readonly memoryMb: {readonly min: number; readonly max: number};
  readonly timeoutMs: {readonly max: number};
  /** Requests in one instance at a time. */
  readonly concurrency: {readonly min: number; readonly max: number};
  readonly maxInstances: {readonly min: number; readonly max: number};
  /** Null: the provider gives CPU by memory. */
  readonly cpu: {readonly min: number; readonly max: number} | null;
  readonly platforms: readonly Platform[];
  /** Null: no limit worth naming. */
  readonly imageBytes: {readonly compressed: number | null; readonly unpacked: number | null};
  readonly requestBytes: number;
  readonly auth: readonly ('iam' | 'none')[];
  /** Kinds of trigger, and for events the sources, each with what can be said of it beside its name. */
  readonly triggers: {readonly [kind: string]: readonly TriggerOption[]};
  /** Where the provider itself can take secrets from, by the prefix of the reference. */
  readonly secretStores: readonly string[];
  readonly scaleToZero: boolean;
  readonly warm: {readonly min: boolean; readonly schedule: boolean};
  /** What becomes of a request for which there is no instance and may be no further one: it waits, or gets a 429. */
  readonly whenFull: 'wait' | 'refuse';
  /** `chill`: once the plan of a cold start is applied, the next request to what it names is cold. */
  readonly forceCold: 'chill' | 'no';
  readonly rollback: boolean;
  /** Instances may go on from a snapshot of one that has started already, where the options ask for it. */
  readonly snapshots: boolean;
  /** Whether what runs is the image itself, with its limits, or only its contents. */
  readonly runsImage: boolean;
}

/** Dated prices. Rates are in the currency, by the provider's own name of the meter. */
export interface PriceTable {
  readonly currency: 'USD';
  /** ISO date. */
  readonly asOf: string;
  readonly source: string;
  readonly rates: {readonly [meter: string]: number};
}

/** What every call of a driver is handed. */
export interface Context {
  readonly ports: Ports;
  readonly signal: AbortSignal;
  /** The folder of `thaw.yaml`. */
  readonly projectDir: string;
  /** thaw's own state folder of this user. */
  readonly stateDir: string;
  /** The folder of the installed package, with `dist/` in it. */
  readonly packageDir: string;
  readonly thawVersion: string;
  /** Under it, `inspect` turns the environment values it reads into fingerprints. */
  readonly fingerprintKey: Uint8Array;
}

/** What an op is handed besides. */
export interface OpContext extends Context {
  readonly image: ImageOnDisk | null;
  /** The image's contents, where the provider has asked for them as an archive. */
  readonly archive?: ArchiveOnDisk | null;
  readonly progress: ProgressFn;
}

/** When an op is tried again, and for how long. */
export interface Retry {
  readonly when: (error: unknown) => boolean;
  readonly firstMs: number;
  readonly maxMs: number;
  readonly forMs: number;
}

/**
 * The only code of a driver that writes. Idempotent: run again with the same arguments, also after a run that was
 * cut off at any point, it ends in the same state and the same outputs. Its arguments arrive with every reference
 * resolved. Tokens are fetched inside and are never outputs.
 */
export interface Op {
  readonly retry: Retry | null;
  run(context: OpContext, args: JsonObject): Promise<Outputs>;
}

/** One thing that `thaw doctor` looks at. What is well may come with a remedy, too: something to know. */
export interface Check {
  readonly name: string;
  check(
    context: Context,
  ): Promise<{readonly ok: boolean; readonly found: string; readonly remedy: string | null}>;
}

/** One request to a deployment. */
export interface InvokeRequest {
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly timeoutMs: number;
  /** Over a connection that may be kept from an earlier one, as part of a load; else over one of its own. */
  readonly keepConnection?: boolean;
}

/** A deployment of which parts are known only when a plan is applied. */
export type DeploymentArg = {readonly [Member in keyof Deployment]: Arg};

/** A cold start to come. */
export interface ColdStart {
  /** After it the next request to the deployment is cold. */
  readonly plan: Plan;
  /**
   * Whom to ask then, with references to outputs of the plan's steps. Where the provider can, that is not the function
   * that everybody asks but a twin of it, which is there until `tidy`; else everybody's next request is cold.
   */
  readonly deployment: DeploymentArg;
}

/** Whom to ask for a cold start, once its plan has been applied. */
export const deploymentOfColdStart = (
  {deployment}: ColdStart,
  outputs: ReadonlyMap<string, Outputs>,
): Deployment => resolveArg(deployment, outputs, () => '') as unknown as Deployment;

/** Which boots are asked for. */
export interface StartupQuery {
  readonly bootIds: readonly string[];
  /** None of them is older: milliseconds since the epoch; null: nobody knows. */
  readonly sinceMs: number | null;
}

/** The part of a function that names it. */
export type FunctionRef = Pick<FunctionSpec, 'name'>;

/** What is looked at: a function, and before a deploy also what shall call it, which somebody else may have made. */
export type Inspected = FunctionRef & Partial<Pick<FunctionSpec, 'triggers'>>;

/** Something in `thaw.yaml` that a provider does not take, by where it stands. */
export interface SettingProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}
/** The part of a function that says what its provider has to have, and to allow, before there is an image. */
export type FunctionNeeds = Pick<
  FunctionSpec,
  'name' | 'resources' | 'scaling' | 'warm' | 'secrets' | 'triggers'
>;

/**
 * A provider: O is its section of `thaw.yaml`, H is what `inspect` found. Planners are pure: not async, and handed
 * nothing they could call with.
 */
export interface DriverSpec<O, H> {
  readonly name: string;
  /** Until a real account has confirmed it. */
  readonly preview: boolean;
  readonly limits: Limits;
  /** JSON Schema of O, for editors and for the generated tests. */
  readonly optionsSchema: JsonObject;
  /** @throws ThawError CONFIG_INVALID */
  options(raw: Json): O;
  /** Labels that an image has to have for what the options ask for. */
  imageLabels(options: O): {readonly [name: string]: string};
  /** Of a provider that can take an image's contents as an archive: how; null where it runs the image itself. */
  archive?(options: O): ArchiveForm | null;
  /** What is wrong with triggers of kinds that the limits name; left out where nothing else can be. */
  triggerProblems?(triggers: readonly Trigger[]): readonly SettingProblem[];
  /** Reads only. */
  inspect(context: Context, fn: Inspected, options: O): Promise<H>;
  describe(fn: FunctionRef, options: O, have: H): Status;
  plan(fn: FunctionSpec, options: O, have: H): Plan;
  /** Keep so many instances ready. */
  warm(fn: FunctionRef, options: O, have: H, wish: Warmth): Plan;
  /** Make a request cold, and say whom to ask for it. */
  chill(fn: FunctionRef, options: O, have: H): ColdStart;
  /** Delete what cold starts have left behind, also those that were cut off. */
  tidy(fn: FunctionRef, options: O, have: H): Plan;
  /** Make an earlier version live again: `to`, or the one before. */
  rollback(fn: FunctionRef, options: O, have: H, to: string | null): Plan;
  /** Delete what thaw made, and nothing else. */
  teardown(fn: FunctionRef, options: O, have: H): Plan;
  readonly ops: {readonly [name: string]: Op};
  /** One request, timed, never sent twice. */
  invoke(context: Context, deployment: Deployment, request: InvokeRequest): Promise<Invocation>;
  /** What the provider itself recorded of these boots. */
  startup(context: Context, deployment: Deployment, query: StartupQuery): Promise<readonly StartupRecord[]>;
  logs(context: Context, deployment: Deployment, query: LogQuery): AsyncIterable<LogLine>;
  /** What has to be so for the function to run there. */
  checks(fn: FunctionNeeds, options: O): readonly Check[];
  /**
   * The least that thaw must be allowed to do for the function, as the provider itself takes it, also where nobody has
   * signed in yet; left out where nothing has to be allowed.
   */
  policy?(context: Context, fn: FunctionNeeds, options: O): Promise<JsonObject>;
  readonly prices: PriceTable;
}

/** A driver whose own types are closed over. */
export interface Driver {
  readonly name: string;
  readonly preview: boolean;
  readonly limits: Limits;
  readonly optionsSchema: JsonObject;
  readonly ops: {readonly [name: string]: Op};
  readonly prices: PriceTable;
  /** What is wrong with triggers of kinds that the limits name. */
  triggerProblems(triggers: readonly Trigger[]): readonly SettingProblem[];
  /** @throws ThawError CONFIG_INVALID if the section of `thaw.yaml` is not valid. */
  open(rawOptions: Json): Site;
}

/** A driver with its options. */
export interface Site {
  readonly imageLabels: {readonly [name: string]: string};
  /** How it takes what an image holds; null where it runs the image itself. */
  readonly archive: ArchiveForm | null;
  inspect(context: Context, fn: Inspected): Promise<View>;
  invoke(context: Context, deployment: Deployment, request: InvokeRequest): Promise<Invocation>;
  startup(context: Context, deployment: Deployment, query: StartupQuery): Promise<readonly StartupRecord[]>;
  logs(context: Context, deployment: Deployment, query: LogQuery): AsyncIterable<LogLine>;
  checks(fn: FunctionNeeds): readonly Check[];
  /** The least that thaw must be allowed to do for the function; null where nothing has to be allowed. */
  policy(context: Context, fn: FunctionNeeds): Promise<JsonObject | null>;
}

/** What was found of one function, and the plans that can be made from there. */
export interface View {
  readonly status: Status;
  deploy(fn: FunctionSpec): Plan;
  warm(wish: Warmth): Plan;
  chill(): ColdStart;
  tidy(): Plan;
  rollback(to: string | null): Plan;
  teardown(): Plan;
}

/** Closes over a provider's own types, so that they never leave its folder. */
export function defineDriver<O, H>(spec: DriverSpec<O, H>): Driver {
  const known = (plan: Plan): Plan => {
    const stranger = plan.steps.find((step) => !(step.op in spec.ops));
    if (stranger) throw new TypeError(`${spec.name} plans ${stranger.op}, an op it does not have`);
    return plan;
  };
  const view = (fn: FunctionRef, options: O, have: H): View => ({
    status: spec.describe(fn, options, have),
    deploy: (wanted) => known(spec.plan(wanted, options, have)),
    warm: (wish) => known(spec.warm(fn, options, have, wish)),
    chill() {
      const {plan, deployment} = spec.chill(fn, options, have);
      return deepFreeze({plan: known(plan), deployment});
    },
    tidy: () => known(spec.tidy(fn, options, have)),
    rollback: (to) => known(spec.rollback(fn, options, have, to)),
    teardown: () => known(spec.teardown(fn, options, have)),
  });
  const {name, preview, limits, optionsSchema, ops, prices} = spec;
  return {
    name,
    preview,
    limits,
    optionsSchema,
    ops,
    prices,
    triggerProblems: (triggers) => spec.triggerProblems?.(triggers) ?? [],
    open(rawOptions) {
      const options = spec.options(rawOptions);
      return {
        imageLabels: spec.imageLabels(options),
        archive: spec.archive?.(options) ?? null,
        inspect: async (context, fn) => view(fn, options, await spec.inspect(context, fn, options)),
        invoke: (context, deployment, request) => spec.invoke(context, deployment, request),
        startup: (context, deployment, query) => spec.startup(context, deployment, query),
        logs: (context, deployment, query) => spec.logs(context, deployment, query),
        checks: (fn) => spec.checks(fn, options),
        policy: async (context, fn) => (await spec.policy?.(context, fn, options)) ?? null,
      };
    },
  };
}
