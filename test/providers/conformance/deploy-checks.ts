import assert from 'node:assert/strict';
import {ThawError} from '../../../src/core/errors.ts';
import {canonicalJson, type JsonObject} from '../../../src/core/json.ts';
import {changingSteps, type Plan} from '../../../src/core/plan.ts';
import type {ApplyEvent} from '../../../src/deploy/apply.ts';
import {baseOf, mapOps, openDesk, type Wanted} from './desk.ts';
import {isNamedBy, settableFields} from './fields.ts';
import type {ConformanceCheck, Traits} from './harness.ts';

/** Plans, deploying from nothing, converging, and one change being one step. */
export function deployChecks(traits: Traits): ConformanceCheck[] {
  return [
    plansAreData,
    createsFromNothing,
    refusesUnknownOptions,
    ...settableFields(traits).map(oneChangeIsOneStep),
  ];
}

const plansAreData: ConformanceCheck = {
  name: 'plans are frozen JSON, and the same plan for the same function',
  async run(harness) {
    const desk = openDesk(harness);
    const base = baseOf(harness);
    const view = await desk.inspect(base);
    assertData(await desk.deploy(base));
    assertData(view.teardown());
    assert.equal(canonicalJson(await desk.plan(base)), canonicalJson(await desk.plan(base)));
    const deployed = await desk.inspect(base);
    const {warm, rollback} = harness.driver.limits;
    const {plan: chill, deployment} = deployed.chill();
    assertData(chill);
    assert.ok(Object.isFrozen(deployment) && Object.isFrozen(deployment.handle));
    assertData(deployed.tidy());
    assertData(deployed.teardown());
    if (warm.min) assertData(deployed.warm({min: 1, schedule: []}));
    const other = {...base, image: harness.images[1]};
    assertData(await desk.deploy(other));
    if (rollback) assertData((await desk.inspect(other)).rollback(null));
  },
};

const createsFromNothing: ConformanceCheck = {
  name: 'creates from nothing; then there is nothing to change',
  async run(harness) {
    const desk = openDesk(harness);
    const base = baseOf(harness);
    assert.deepEqual(await harness.inventory(), [], 'the harness starts with something there');
    const before = (await desk.inspect(base)).status;
    assert.equal(before.state, 'absent');
    assert.equal(before.deployment, null);

    const plan = await desk.deploy(base);
    const names = changingSteps(plan).flatMap((step) => step.changes.map((change) => change.path));
    assert.ok(names.includes('image'), 'the plan does not name the image');
    await desk.assertDeployed(base);
    await desk.assertDeployed(base);
    const {status} = await desk.inspect(base);
    assert.equal(status.schema, 'thaw.status/1');
    assert.equal(status.function, base.spec.name);
    assert.equal(status.provider, harness.driver.name);
    assert.equal(status.versions.filter((version) => version.live).length, 1);
  },
};

const refusesUnknownOptions: ConformanceCheck = {
  name: 'refuses an option that it does not know, by its name',
  async run({driver, options}) {
    driver.open(options);
    assert.throws(
      () => driver.open({...options, notAnOption: 1}),
      (error: unknown) => {
        assert.ok(error instanceof ThawError, String(error));
        assert.equal(error.code, 'CONFIG_INVALID');
        const problems = error.facts['problems'] as readonly JsonObject[];
        assert.deepEqual(
          problems.map((problem) => problem['path']),
          [['notAnOption']],
        );
        return true;
      },
    );
  },
};

function oneChangeIsOneStep(field: ReturnType<typeof settableFields>[number]): ConformanceCheck {
  return {
    name: `one change is one step that names it: ${field.path} ${field.what}`,
    async run(harness) {
      const desk = openDesk(harness);
      const base = baseOf(harness);
      const before = field.before(base, harness);
      const after = field.after(base, harness);
      await desk.deploy(before);
      for (const wanted of [after, before]) {
        const plan = await desk.plan(wanted);
        const changing = changingSteps(plan);
        assert.equal(changing.length, 1, `steps that change something: ${describe(plan)}`);
        for (const change of changing[0]?.changes ?? []) {
          assert.ok(isNamedBy(change, field), `${change.path} does not name ${field.path}`);
          assert.notEqual(
            canonicalJson(change.from),
            canonicalJson(change.to),
            `${change.path} does not change`,
          );
        }
        await desk.apply(plan, wanted);
        await desk.assertDeployed(wanted);
      }
    },
  };
}

/** Cuts at every step, doubled writes, retries and interruptions: all ways in which a plan is not applied in one go. */
export function resumeChecks(): ConformanceCheck[] {
  return [
    ...[createCase, changeCase, teardownCase].flatMap((scene) => [
      cutAtEveryStep(scene, 'before'),
      cutAtEveryStep(scene, 'after'),
      runTwice(scene),
      interrupted(scene, 0),
      interrupted(scene, 15),
    ]),
    retriesAreDeclared,
    passingRefusals,
  ];
}

/** A change of the world, with what has to be there before. */
interface Scene {
  readonly name: string;
  readonly from: ((base: Wanted) => Wanted) | null;
  /** Null: tear down. */
  readonly to: ((base: Wanted, other: Wanted) => Wanted) | null;
}

const createCase: Scene = {name: 'creating', from: null, to: (base) => base};
const changeCase: Scene = {name: 'changing much at once', from: (base) => base, to: (_, other) => other};
const teardownCase: Scene = {name: 'tearing down', from: (base) => base, to: null};

function stage(harness: Parameters<ConformanceCheck['run']>[0], scene: Scene) {
  const desk = openDesk(harness);
  const base = baseOf(harness);
  const {limits} = harness.driver;
  const other: Wanted = {
    ...base,
    image: harness.images[1],
    values: {GREETING: 'good-evening-4711-Xq', ADDED: 'a-new-value-1234'},
    spec: {
      ...base.spec,
      resources: {...base.spec.resources, timeoutMs: base.spec.resources.timeoutMs + 1000},
      warm: {min: limits.warm.min ? 1 : 0, schedule: []},
    },
  };
  const target = scene.to?.(base, other) ?? null;
  return {
    desk,
    /** What the steps that are cut belong to. */
    wanted: target ?? base,
    prepare: async (): Promise<void> => {
      if (scene.from) await desk.deploy(scene.from(base));
    },
    plan: async (): Promise<Plan> => (target ? desk.plan(target) : (await desk.inspect(base)).teardown()),
    /** Goes on to the end, as the next command does, and says what is there then. */
    finish: async () => {
      if (target) {
        await desk.deploy(target);
        await desk.assertDeployed(target);
      } else {
        await desk.teardown(base);
        assert.deepEqual((await desk.inspect(base)).teardown().steps, [], 'the teardown is not finished');
      }
      return desk.endState(target ?? base);
    },
    clear: async (): Promise<void> => {
      await desk.teardown(target ?? base);
      assert.deepEqual(await harness.inventory(), [], 'the teardown left something');
    },
  };
}

class Cut extends Error {}

function cutAtEveryStep(scene: Scene, when: 'before' | 'after'): ConformanceCheck {
  const point = when === 'before' ? 'before a step' : 'after a step has written but not answered';
  return {
    name: `${scene.name}, cut ${point}, is finished by the next`,
    async run(harness) {
      const {desk, wanted, prepare, plan, finish, clear} = stage(harness, scene);
      await prepare();
      const steps = (await plan()).steps.length;
      const whole = await finish();
      await clear();
      for (let cutAt = 0; cutAt < steps; cutAt++) {
        await prepare();
        let current = -1;
        const ops = mapOps(harness.driver.ops, (op) => async (context, args) => {
          const isCut = current === cutAt;
          if (isCut && when === 'before') throw new Cut();
          const outputs = await op.run(context, args);
          if (isCut) throw new Cut();
          return outputs;
        });
        const onEvent = (event: ApplyEvent): void => {
          if (event.kind === 'stepStarted') current = event.index - 1;
        };
        await assert.rejects(desk.apply(await plan(), wanted, {ops, onEvent}), Cut);
        assert.deepEqual(await finish(), whole, `cut ${when} step ${cutAt + 1} of ${steps}`);
        await clear();
      }
    },
  };
}

function runTwice(scene: Scene): ConformanceCheck {
  return {
    name: `${scene.name} with every op run twice comes out the same`,
    async run(harness) {
      const {desk, wanted, prepare, plan, finish, clear} = stage(harness, scene);
      await prepare();
      const whole = await finish();
      await clear();
      await prepare();
      const ops = mapOps(harness.driver.ops, (op, name) => async (context, args) => {
        const first = await op.run(context, args);
        const second = await op.run(context, args);
        assert.deepEqual(second, first, `${name} gives other outputs when it is run again`);
        return second;
      });
      await desk.apply(await plan(), wanted, {ops});
      assert.deepEqual((await plan()).steps, [], 'something is left to do');
      assert.deepEqual(await finish(), whole);
      await clear();
    },
  };
}

function interrupted(scene: Scene, afterMs: number): ConformanceCheck {
  const moment = afterMs === 0 ? 'as a step begins' : `${afterMs} ms into a step`;
  return {
    name: `${scene.name}, interrupted ${moment}, says so and is finished by the next`,
    async run(harness) {
      const {desk, wanted, prepare, plan, finish, clear} = stage(harness, scene);
      const {clock} = harness.context.ports;
      await prepare();
      const {steps} = await plan();
      const whole = await finish();
      await clear();
      for (const [at] of steps.entries()) {
        await prepare();
        const controller = new AbortController();
        const made = await plan();
        const applied = desk.apply(made, wanted, {
          signal: controller.signal,
          onEvent(event) {
            if (event.kind !== 'stepStarted' || event.index !== at + 1) return;
            if (afterMs === 0) controller.abort();
            else void clock.sleep(afterMs, harness.context.signal).then(() => controller.abort());
          },
        });
        const problem: unknown = await applied.then(
          () => null,
          (error: unknown) => error,
        );
        const isLast = at === made.steps.length - 1;
        if (problem !== null || (afterMs === 0 && !isLast)) {
          assert.ok(problem instanceof ThawError, `ended in ${String(problem)}`);
          assert.equal(problem.code, 'INTERRUPTED');
        }
        assert.deepEqual(await finish(), whole, `interrupted in step ${at + 1} of ${steps.length}`);
        await clear();
      }
    },
  };
}

const retriesAreDeclared: ConformanceCheck = {
  name: 'no op retries what is final, and none retries for ever',
  async run({driver}) {
    const final = [
      new TypeError('a bug'),
      new Error('a bug'),
      new ThawError('INTERRUPTED', 'interrupted'),
      new ThawError('CONFIG_INVALID', 'memory is too small'),
      new ThawError('PERMISSION_DENIED', 'not allowed'),
      new ThawError('SECRET_MISSING', 'TOKEN is not set'),
      new ThawError('IMAGE_TOO_LARGE', 'the image is too large'),
      new ThawError('PROVIDER_REFUSED', 'never'),
    ];
    for (const [name, {retry}] of Object.entries(driver.ops)) {
      if (retry === null) continue;
      for (const error of final) assert.equal(retry.when(error), false, `${name} retries ${String(error)}`);
      const {firstMs, maxMs, forMs} = retry;
      assert.ok(
        0 < firstMs && firstMs <= maxMs && maxMs <= forMs && forMs <= 3_600_000,
        `${name} retries badly`,
      );
    }
  },
};

const passingRefusals: ConformanceCheck = {
  name: 'a refusal that passes is retried by every op that writes',
  async run(harness) {
    const {refuseOnce} = harness;
    if (refuseOnce === null) return;
    const desk = openDesk(harness);
    const base = baseOf(harness);
    let retries = 0;
    const how: Parameters<typeof desk.deploy>[1] = {
      onEvent(event) {
        if (event.kind === 'stepStarted' && harness.driver.ops[event.step.op]?.retry) refuseOnce();
        if (event.kind === 'stepRetried') retries++;
      },
    };
    const other = {...base, image: harness.images[1], spec: {...base.spec, scaling: {maxInstances: 2}}};
    await desk.deploy(base, how);
    await desk.deploy(other, how);
    await desk.assertDeployed(other);
    await desk.teardown(other, how);
    assert.ok(retries > 0, 'nothing was refused');
  },
};

function assertData(plan: Plan): void {
  assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan);
  assert.equal(plan.schema, 'thaw.plan/1');
  const pending: unknown[] = [plan];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (typeof value !== 'object' || value === null) continue;
    assert.ok(Object.isFrozen(value), `not frozen: ${JSON.stringify(value)}`);
    pending.push(...(Object.values(value) as unknown[]));
  }
}

const describe = ({steps}: Plan): string =>
  steps.map(({op, changes}) => `${op}(${changes.map(({path}) => path).join(', ')})`).join(' ');
