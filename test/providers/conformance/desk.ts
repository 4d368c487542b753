import assert from 'node:assert/strict';
import {classify} from '../../../src/benchmark/classify.ts';
import type {ArchiveOnDisk} from '../../../src/core/archive.ts';
import type {Deployment, Status} from '../../../src/core/deployment.ts';
import {fingerprintWith} from '../../../src/core/digest.ts';
import {deploymentOfColdStart, type ColdStart, type Op, type View} from '../../../src/core/driver.ts';
import {messageOf, ThawError} from '../../../src/core/errors.ts';
import type {FunctionSpec} from '../../../src/core/function.ts';
import {canonicalJson, type JsonObject} from '../../../src/core/json.ts';
import type {Outputs, Plan} from '../../../src/core/plan.ts';
import type {Http, ImageOnDisk} from '../../../src/core/ports.ts';
import type {Evidence, Invocation, StartClass} from '../../../src/core/sample.ts';
import {applyPlan, type ApplyEvent} from '../../../src/deploy/apply.ts';
import {renderPlan} from '../../../src/deploy/render-plan.ts';
import type {Harness} from './harness.ts';

/** What shall run: the function without its environment, the provider's options, and the environment in clear. */
export interface Wanted {
  readonly image: ImageOnDisk;
  readonly spec: Omit<FunctionSpec, 'image' | 'env'>;
  readonly options: JsonObject;
  readonly values: {readonly [name: string]: string};
}

/** Values that nothing but an instance may ever see. */
export const VALUES = {
  GREETING: 'good-morning-4711-Xq',
  TOKEN: 'tok/en+with?odd=chars&"quotes"',
  OLD: 'an-older-value-0815',
} as const;

/** The function that most checks start from. */
export function baseOf({images, spec, options}: Harness): Wanted {
  const {image: _, env: __, ...rest} = spec;
  return {image: images[0], spec: {...rest, warm: {min: 0, schedule: []}}, options, values: VALUES};
}

/** One request, and what it turned out to be. */
export interface Answer {
  readonly invocation: Invocation;
  readonly evidence: Evidence;
  readonly class: StartClass;
}

export interface ApplyHow {
  readonly ops?: {readonly [name: string]: Op};
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: ApplyEvent) => void;
}

/** The state that a user sees, without what differs from one deploy to the next (ports, times, process ids). */
export interface EndState {
  readonly state: Status['state'];
  readonly image: string | null;
  readonly warmMin: number;
  readonly versions: readonly {readonly image: string; readonly live: boolean}[];
  readonly inventory: readonly string[];
}

export type Desk = ReturnType<typeof openDesk>;

/** The desk that a check works at: it does what the commands do, and keeps all that thaw could have shown. */
export function openDesk(harness: Harness) {
  const {driver, context} = harness;
  const fingerprint = fingerprintWith(context.fingerprintKey);
  const tape: string[] = [];
  const record = (value: unknown): void => void tape.push(JSON.stringify(value) ?? '');

  const archiveOf = async ({image, options}: Wanted): Promise<ArchiveOnDisk | null> =>
    driver.open(options).archive === null ? null : ((await harness.archiveOf?.(image)) ?? null);

  const specOf = ({spec, image, values}: Wanted, archive: ArchiveOnDisk | null): FunctionSpec => ({
    ...spec,
    image: image.image.digest,
    ...(archive === null ? {} : {archive: archive.archive}),
    env: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, fingerprint(value)])),
  });

  async function inspect(wanted: Wanted): Promise<View> {
    const view = await driver.open(wanted.options).inspect(context, {
      name: wanted.spec.name,
      triggers: wanted.spec.triggers,
    });
    record(view.status);
    return view;
  }

  function noted(plan: Plan): Plan {
    record(plan);
    tape.push(renderPlan(plan));
    return plan;
  }

  async function apply(
    plan: Plan,
    wanted: Wanted,
    how: ApplyHow = {},
  ): Promise<ReadonlyMap<string, Outputs>> {
    noted(plan);
    return applyPlan(plan, {
      ops: recorded(how.ops ?? driver.ops, record),
      context: {...context, signal: how.signal ?? context.signal},
      image: wanted.image,
      archive: await archiveOf(wanted),
      secret: (name) => {
        const value = wanted.values[name];
        assert.ok(value !== undefined, `the plan asks for a secret ${name} that was not declared`);
        return value;
      },
      onEvent: (event) => {
        record(event);
        how.onEvent?.(event);
      },
      random: () => 1,
    });
  }

  const planFrom = async (view: View, wanted: Wanted): Promise<Plan> =>
    noted(view.deploy(specOf(wanted, await archiveOf(wanted))));

  const plan = async (wanted: Wanted): Promise<Plan> => planFrom(await inspect(wanted), wanted);

  async function deployment(wanted: Wanted): Promise<Deployment> {
    const {status} = await inspect(wanted);
    assert.ok(status.deployment, `nothing is deployed: ${status.state} ${status.problem ?? ''}`);
    return status.deployment;
  }

  async function send(
    wanted: Wanted,
    http: Http = context.ports.http,
    asked?: Deployment,
  ): Promise<Invocation> {
    const ports = {...context.ports, http};
    const target = asked ?? (await deployment(wanted));
    return driver.open(wanted.options).invoke({...context, ports}, target, harness.request);
  }

  /** Asks what is live, or what is given. */
  const invoke = async (wanted: Wanted, asked?: Deployment): Promise<Answer> =>
    answerOf(await send(wanted, context.ports.http, asked));

  async function invokeAtOnce(wanted: Wanted, n: number, asked?: Deployment): Promise<Answer[]> {
    const site = driver.open(wanted.options);
    const target = asked ?? (await deployment(wanted));
    const shots = Array.from({length: n}, () => site.invoke(context, target, harness.request));
    return (await Promise.all(shots)).map(answerOf);
  }

  function answerOf(invocation: Invocation): Answer {
    assert.equal(invocation.error, null);
    assert.equal(invocation.status, 200, new TextDecoder().decode(invocation.body));
    const {evidence, timings} = invocation;
    assert.ok(evidence, 'the answer carries no evidence');
    const totalMs = (timings.firstByteMs ?? Number.NaN) - (timings.writtenMs ?? Number.NaN);
    return {invocation, evidence, class: classify(evidence, totalMs)};
  }

  return {
    tape,
    record,
    inspect,
    apply,
    plan,
    planFrom,
    deployment,
    send,
    invoke,
    invokeAtOnce,

    /** Plans and applies, as `thaw deploy` does. */
    async deploy(wanted: Wanted, how: ApplyHow = {}): Promise<Plan> {
      const made = await plan(wanted);
      await apply(made, wanted, how);
      return made;
    },

    /** Makes a cold start, and says whom to ask for it. */
    async chill(wanted: Wanted, how: ApplyHow = {}): Promise<Deployment> {
      const coldStart: ColdStart = (await inspect(wanted)).chill();
      record(coldStart);
      return deploymentOfColdStart(coldStart, await apply(coldStart.plan, wanted, how));
    },

    async tidy(wanted: Wanted, how: ApplyHow = {}): Promise<Plan> {
      const made = (await inspect(wanted)).tidy();
      await apply(made, wanted, how);
      return made;
    },

    async teardown(wanted: Wanted, how: ApplyHow = {}): Promise<Plan> {
      const made = (await inspect(wanted)).teardown();
      await apply(made, wanted, how);
      return made;
    },

    async endState(wanted: Wanted): Promise<EndState> {
      const {status} = await inspect(wanted);
      return {
        state: status.state,
        image: status.deployment?.image ?? null,
        warmMin: status.warmMin,
        versions: status.versions.map(({image, live}) => ({image, live})),
        inventory: await harness.inventory(),
      };
    },

    /** Holds that what is wanted is there: nothing is left to plan, and it answers with that image. */
    async assertDeployed(wanted: Wanted): Promise<void> {
      assert.deepEqual((await plan(wanted)).steps, [], 'after the deploy there is still something to change');
      const {status} = await inspect(wanted);
      assert.equal(status.state, 'ready', status.problem ?? 'not ready');
      assert.equal(status.deployment?.image, wanted.image.image.digest);
      const {evidence} = await invoke(wanted);
      if (evidence.image !== null)
        assert.equal(evidence.image, wanted.image.image.digest, 'an old image answers');
    },
  };
}

/** The same ops, with all that they give out put on the tape: outputs, and errors as deep as they go. */
function recorded(
  ops: {readonly [name: string]: Op},
  record: (value: unknown) => void,
): {readonly [name: string]: Op} {
  const recordError = (error: unknown): void => {
    record([messageOf(error), error instanceof ThawError ? error.facts : null]);
    if (error instanceof Error && error.cause !== undefined) recordError(error.cause);
  };
  return mapOps(ops, (op) => async (context, args) => {
    try {
      const outputs = await op.run(context, args);
      canonicalJson(outputs);
      record(outputs);
      return outputs;
    } catch (error) {
      recordError(error);
      throw error;
    }
  });
}

/** The same ops, each run in another way. */
export function mapOps(
  ops: {readonly [name: string]: Op},
  run: (op: Op, name: string) => Op['run'],
): {readonly [name: string]: Op} {
  return Object.fromEntries(Object.entries(ops).map(([name, op]) => [name, {...op, run: run(op, name)}]));
}
