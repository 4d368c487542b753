import type {Deployment} from '../../../src/core/deployment.ts';
import {digestOf} from '../../../src/core/digest.ts';
import type {Invocation} from '../../../src/core/sample.ts';
import type {OpContext, Op} from '../../../src/core/driver.ts';
import {ThawError} from '../../../src/core/errors.ts';
import type {JsonObject} from '../../../src/core/json.ts';
import {makePlan, type Plan, type Step} from '../../../src/core/plan.ts';
import type {MemoryCloud} from '../memory/cloud.ts';
import type {MemorySpec} from '../memory/harness.ts';

/** A driver with one thing wrong, as it is easily got wrong, and a check of the suite that must notice. */
export interface Mutant {
  readonly name: string;
  readonly mutate: (spec: MemorySpec, cloud: MemoryCloud) => MemorySpec;
  /** The beginning of the name of one check that has to fail. */
  readonly caughtBy: string;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'loses the tag of a role that it makes',
    mutate: (spec, cloud) =>
      withOp(spec, 'iam:CreateRole', async ({signal}, {name}) => {
        if (!(await cloud.getRole(signal, name as string)))
          await cloud.createRole(signal, name as string, {});
        return {};
      }),
    caughtBy: 'creates from nothing',
  },
  {
    name: 'creates a function that is there already, and fails',
    mutate: (spec, cloud) =>
      withOp(spec, 'logs:CreateGroup', async ({signal}, {name}) => {
        await cloud.createLogGroup(signal, name as string, {'thaw:function': name as string});
        return {};
      }),
    caughtBy: 'creating with every op run twice',
  },
  {
    name: 'sends an update again although it has been written, at a revision that is gone',
    mutate: (spec, cloud) =>
      withOp(spec, 'faas:UpdateCode', async ({signal}, {name, image, revision}) => {
        const digest = image as `sha256:${string}`;
        await cloud.updateCode(signal, name as string, digest, revision as string);
        return {};
      }),
    caughtBy: 'changing much at once with every op run twice',
  },
  {
    name: 'leaks the role at teardown',
    mutate: (spec) => ({
      ...spec,
      teardown: (...given) => withoutSteps(spec.teardown(...given), 'iam:DeleteRole'),
    }),
    caughtBy: 'a teardown leaves nothing of ours',
  },
  {
    name: 'tears down nothing once the function is gone, so that a cut teardown leaks the rest',
    mutate: (spec) => ({
      ...spec,
      teardown: (fn, options, have) =>
        have.fn ? spec.teardown(fn, options, have) : makePlan('memory', fn.name, []),
    }),
    caughtBy: 'tearing down, cut after a step',
  },
  {
    name: 'deletes what is not its own: everything whose name begins as the function’s does',
    mutate: (spec, cloud) =>
      withOp(spec, 'iam:DeleteRole', async ({signal}, {name}) => {
        for (const line of cloud.inventory()) {
          const role = line.startsWith(`role ${name as string}`) ? line.slice('role '.length) : null;
          if (role !== null) await cloud.deleteRole(signal, role).catch(() => {});
        }
        return {};
      }),
    caughtBy: 'a teardown leaves nothing of ours',
  },
  {
    name: 'says that every request is the first of its instance',
    mutate: (spec) => withEvidence(spec, (evidence) => ({...evidence, ordinal: 1})),
    caughtBy: 'further requests are warm',
  },
  {
    name: 'says that every boot is as old as the machine',
    mutate: (spec) =>
      withEvidence(spec, (evidence) => ({...evidence, bootAgeMs: evidence.bootAgeMs + 3_600_000})),
    caughtBy: 'after a chill the next request is cold',
  },
  {
    name: 'says that every boot has just happened',
    mutate: (spec) => withEvidence(spec, (evidence) => ({...evidence, bootAgeMs: 0})),
    caughtBy: 'the first request to an instance that is kept ready is prewarmed',
  },
  {
    name: 'gives every boot one id',
    mutate: (spec) => withEvidence(spec, (evidence) => ({...evidence, bootId: 'boot'})),
    caughtBy: 'requests at once start several instances',
  },
  {
    name: 'waits, but gives out the revision of before',
    mutate: (spec, cloud) =>
      withOp(spec, 'faas:WaitUpdated', async (context, args) => {
        const before = await cloud.getFunction(context.signal, args['name'] as string);
        await opOf(spec, 'faas:WaitUpdated').run(context, args);
        return {revision: before?.revision ?? ''};
      }),
    caughtBy: 'creates from nothing',
  },
  {
    name: 'does not wait',
    mutate: (spec, cloud) =>
      withOp(spec, 'faas:WaitUpdated', async ({signal}, {name}) => {
        const found = await cloud.getFunction(signal, name as string);
        return {revision: found?.revision ?? ''};
      }),
    caughtBy: 'creates from nothing',
  },
  {
    name: 'does not wait until instances are ready',
    mutate: (spec) => withOp(spec, 'faas:WaitWarm', async () => ({})),
    caughtBy: 'warming up and down is one step each',
  },
  {
    name: 'has the environment in clear among the outputs',
    mutate: (spec) =>
      withOp(spec, 'faas:CreateFunction', async (context, args) => {
        await opOf(spec, 'faas:CreateFunction').run(context, args);
        return {configuration: (args['configuration'] as JsonObject)['env'] as JsonObject};
      }),
    caughtBy: 'no value of the environment is in a plan',
  },
  {
    name: 'has the environment in clear in an error that is tried again',
    mutate: (spec) =>
      withOp(spec, 'faas:CreateFunction', async (context, args) => {
        try {
          return await opOf(spec, 'faas:CreateFunction').run(context, args);
        } catch (error) {
          if (!(error instanceof ThawError)) throw error;
          throw new ThawError(error.code, `refused: ${JSON.stringify(args)}`, error.facts);
        }
      }),
    caughtBy: 'no value of the environment is in a plan',
  },
  {
    name: 'has the environment in clear in the plan',
    mutate: (spec, cloud) => {
      const seen: {value?: string} = {};
      return {
        ...spec,
        inspect: async (context, fn, options) => {
          const found = await cloud.getFunction(context.signal, fn.name);
          if (found) seen.value = found.configuration.env['GREETING'] ?? '';
          return spec.inspect(context, fn, options);
        },
        plan: (fn, options, have) => {
          const plan = spec.plan(fn, options, have);
          return makePlan('memory', fn.name, plan.steps, {greeting: seen.value ?? ''});
        },
      };
    },
    caughtBy: 'no value of the environment is in a plan',
  },
  {
    name: 'does not see that the memory differs',
    mutate: (spec) => ({
      ...spec,
      plan: (fn, options, have) => {
        const live = have.fn?.versions.find(({version}) => version === have.fn?.facts.live);
        const memoryMb = (live?.settings['resources.memoryMb'] ?? fn.resources.memoryMb) as number;
        return spec.plan({...fn, resources: {...fn.resources, memoryMb}}, options, have);
      },
    }),
    caughtBy: 'one change is one step that names it: resources.memoryMb',
  },
  {
    name: 'never takes a variable away',
    mutate: (spec) => ({
      ...spec,
      plan: (fn, options, have) => {
        const live = have.fn?.versions.find(({version}) => version === have.fn?.facts.live);
        const kept = Object.entries(live?.settings ?? {}).flatMap(([path, value]) =>
          path.startsWith('env.') ? [[path.slice('env.'.length), value as `hmac:${string}`]] : [],
        );
        return spec.plan({...fn, env: {...Object.fromEntries(kept), ...fn.env}}, options, have);
      },
    }),
    caughtBy: 'one change is one step that names it: env.OLD removed',
  },
  {
    name: 'compares with what was last written instead of what is live',
    mutate: (spec) => ({
      ...spec,
      plan: (fn, options, have) => {
        const found = have.fn;
        if (!found?.facts.live) return spec.plan(fn, options, have);
        const versions = found.versions.map((version) =>
          version.version === found.facts.live ? {...version, settings: found.latest} : version,
        );
        return spec.plan(fn, options, {...have, fn: {...found, versions}});
      },
    }),
    caughtBy: 'changing much at once, cut after a step',
  },
  {
    name: 'always finds something to change',
    mutate: (spec) => ({
      ...spec,
      plan: (fn, options, have) => {
        const plan = spec.plan(fn, options, have);
        if (plan.steps.length > 0 || !have.fn) return plan;
        const {maxInstances} = fn.scaling;
        return makePlan('memory', fn.name, [
          {
            id: 'concurrency',
            op: 'faas:PutConcurrency',
            args: {name: fn.name, maxInstances},
            changes: [{path: 'scaling.maxInstances', from: null, to: maxInstances}],
            why: 'to be sure',
          },
        ]);
      },
    }),
    caughtBy: 'creates from nothing',
  },
  {
    name: 'writes without saying what it changes',
    mutate: (spec) => ({
      ...spec,
      plan: (fn, options, have) => {
        const plan = spec.plan(fn, options, have);
        return makePlan(
          'memory',
          fn.name,
          plan.steps.map((step) => (step.op === 'faas:PutConcurrency' ? {...step, changes: []} : step)),
        );
      },
    }),
    caughtBy: 'one change is one step that names it: scaling.maxInstances',
  },
  {
    name: 'retries whatever goes wrong',
    mutate: (spec) => ({
      ...spec,
      ops: Object.fromEntries(
        Object.entries(spec.ops).map(([name, op]) => [
          name,
          {...op, retry: op.retry && {...op.retry, when: () => true}},
        ]),
      ),
    }),
    caughtBy: 'no op retries what is final',
  },
  {
    name: 'does not retry what it says it would',
    mutate: (spec) => ({
      ...spec,
      ops: Object.fromEntries(
        Object.entries(spec.ops).map(([name, op]) => [
          name,
          {...op, retry: op.retry && {...op.retry, when: () => false}},
        ]),
      ),
    }),
    caughtBy: 'a refusal that passes is retried',
  },
  {
    name: 'sends a request again when it got no answer',
    mutate: (spec) => ({
      ...spec,
      invoke: async (...given) => {
        const first = await spec.invoke(...given);
        return first.error === null ? first : spec.invoke(...given);
      },
    }),
    caughtBy: 'a request is never sent twice',
  },
  {
    name: 'does not move the alias in a rollback',
    mutate: (spec) => ({
      ...spec,
      rollback: (...given) => withoutSteps(spec.rollback(...given), 'faas:PutAlias'),
    }),
    caughtBy: 'a rollback makes the version before live again',
  },
  {
    name: 'goes back to the newest version in a rollback',
    mutate: (spec) => ({
      ...spec,
      rollback: (fn, options, have, to) =>
        spec.rollback(fn, options, have, to ?? have.fn?.versions.at(-1)?.version ?? null),
    }),
    caughtBy: 'a rollback makes the version before live again',
  },
  {
    name: 'does not apply the warmth',
    mutate: (spec) => withOp(spec, 'faas:PutWarm', async () => ({})),
    caughtBy: 'warming up and down is one step each',
  },
  {
    name: 'does not chill',
    mutate: (spec) => withOp(spec, 'faas:RetireInstances', async () => ({})),
    caughtBy: 'after a chill the next request is cold',
  },
  {
    name: 'hands out plans that can be changed',
    mutate: (spec) => ({...spec, plan: (...given) => structuredClone(spec.plan(...given))}),
    caughtBy: 'plans are frozen JSON',
  },
  {
    name: 'plans with the time of day',
    mutate: (spec) => {
      let calls = 0;
      return {
        ...spec,
        plan: (fn, options, have) =>
          makePlan('memory', fn.name, spec.plan(fn, options, have).steps, {planned: ++calls}),
      };
    },
    caughtBy: 'plans are frozen JSON',
  },
  {
    name: 'takes any option',
    mutate: (spec) => ({
      ...spec,
      options: (raw) => {
        const {notAnOption: _, ...others} = raw as JsonObject;
        return spec.options(others);
      },
    }),
    caughtBy: 'refuses an option that it does not know',
  },
  {
    name: 'does not give up when it is interrupted: it calls it a timeout',
    mutate: (spec) =>
      withOp(spec, 'faas:WaitUpdated', async (context, args) => {
        try {
          return await opOf(spec, 'faas:WaitUpdated').run(context, args);
        } catch (error) {
          throw new ThawError('WAIT_TIMED_OUT', 'took too long', {}, {cause: error});
        }
      }),
    caughtBy: 'creating, interrupted',
  },
  {
    name: 'tells log lines of before the time that was asked for',
    mutate: (spec) => ({
      ...spec,
      logs: (context, deployment, query) => spec.logs(context, deployment, {...query, sinceMs: null}),
    }),
    caughtBy: 'logs are told from the beginning',
  },
  {
    name: 'says that an instance was booted for a request when it was kept ready',
    mutate: (spec) => ({
      ...spec,
      startup: async (...given) =>
        (await spec.startup(...given)).map((record) => ({...record, onDemand: true})),
    }),
    caughtBy: 'the first request to an instance that is kept ready is prewarmed',
  },
  {
    name: 'plans a chill of what is not there',
    mutate: (spec) => ({
      ...spec,
      chill: (fn, options, have) =>
        have.fn
          ? spec.chill(fn, options, have)
          : {plan: makePlan('memory', fn.name, []), deployment: NOWHERE},
    }),
    caughtBy: 'what needs a deployment says that there is none',
  },
  {
    name: 'names another image for a cold start than is live',
    mutate: (spec) => ({
      ...spec,
      chill: (...given) => {
        const {plan, deployment} = spec.chill(...given);
        return {plan, deployment: {...deployment, image: NOWHERE.image}};
      },
    }),
    caughtBy: 'a cold start is asked of the same function',
  },
  {
    name: 'makes everybody’s next request cold, and says that a cold start has a twin',
    mutate: (spec) => ({
      ...spec,
      chill: (...given) => {
        const {plan, deployment} = spec.chill(...given);
        return {plan, deployment: {...deployment, version: 'twin'}};
      },
    }),
    caughtBy: 'a cold start is asked of the same function',
  },
  {
    name: 'leaves a role behind that a cold start was made with',
    mutate: (spec, cloud) =>
      withOp(spec, 'faas:RetireInstances', async (context, args) => {
        await opOf(spec, 'faas:RetireInstances').run(context, args);
        await cloud.createRole(context.signal, 'cold', {}).catch(() => {});
        return {};
      }),
    caughtBy: 'a cold start is asked of the same function',
  },
  {
    name: 'tidies up what no cold start has made',
    mutate: (spec) => ({
      ...spec,
      tidy: (fn, options, have) =>
        have.fn ? spec.chill(fn, options, have).plan : spec.tidy(fn, options, have),
    }),
    caughtBy: 'a cold start is asked of the same function',
  },
];

const NOWHERE: Deployment = {
  schema: 'thaw.deployment/1',
  provider: 'memory',
  function: 'nothing',
  url: '',
  image: digestOf('nothing'),
  version: '',
  handle: {},
};

function opOf(spec: MemorySpec, name: string): Op {
  const op = spec.ops[name];
  if (op === undefined) throw new TypeError(`there is no op ${name} to break`);
  return op;
}

function withOp(
  spec: MemorySpec,
  name: string,
  run: (context: OpContext, args: JsonObject) => Promise<JsonObject>,
): MemorySpec {
  return {...spec, ops: {...spec.ops, [name]: {...opOf(spec, name), run}}};
}

function withoutSteps(plan: Plan, op: string): Plan {
  const keep = (step: Step): boolean => step.op !== op;
  return makePlan(plan.provider, plan.function, plan.steps.filter(keep), plan.facts);
}

function withEvidence(
  spec: MemorySpec,
  lie: (evidence: NonNullable<Invocation['evidence']>) => Invocation['evidence'],
): MemorySpec {
  return {
    ...spec,
    invoke: async (...given) => {
      const invocation = await spec.invoke(...given);
      return {...invocation, evidence: invocation.evidence && lie(invocation.evidence)};
    },
  };
}
