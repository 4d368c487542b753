import {describe, expect, it} from 'vitest';
import type {Context, Op, Retry} from '../../../src/core/driver.ts';
import {ThawError} from '../../../src/core/errors.ts';
import {makePlan, type Plan, type Step} from '../../../src/core/plan.ts';
import {applyPlan, backoffMs, type ApplyEvent, type ApplyWith} from '../../../src/deploy/apply.ts';
import {createVirtualClock} from '../../providers/memory/virtual-clock.ts';

const step = (id: string, op: string, args: Step['args'] = {}): Step => ({
  id,
  op,
  args,
  changes: [],
  why: id,
});
const plan = (...steps: Step[]): Plan => makePlan('moon', 'credit-scoring', steps);
const refusal = new ThawError('PROVIDER_REFUSED', 'the role cannot be assumed yet', {role: 'r'});
const soon: Retry = {when: (error) => error === refusal, firstMs: 100, maxMs: 400, forMs: 1000};

function apply(wanted: Plan, ops: ApplyWith['ops'], more: Partial<ApplyWith> & {signal?: AbortSignal} = {}) {
  const clock = createVirtualClock();
  const events: ApplyEvent[] = [];
  const signal = more.signal ?? new AbortController().signal;
  const context = {ports: {clock}, signal, projectDir: '/project'} as unknown as Context;
  const done = applyPlan(wanted, {
    ops,
    context,
    image: null,
    secret: (name) => `value of ${name}`,
    onEvent: (event) => events.push(event),
    random: () => 1,
    ...more,
  });
  return {done, events, clock};
}

/** An op that fails so many times, then answers. */
function failing(times: number, error: unknown, retry: Retry | null): Op & {calls: number} {
  return {
    calls: 0,
    retry,
    async run() {
      if (++this.calls <= times) throw error;
      return {calls: this.calls};
    },
  };
}

describe('applying a plan', () => {
  it('hands each op its arguments with every reference resolved, and returns all outputs', async () => {
    const seen: unknown[] = [];
    const ops: ApplyWith['ops'] = {
      make: {retry: null, run: async (_, args) => (seen.push(args), {arn: 'role/7', size: 3})},
      use: {retry: null, run: async (_, args) => (seen.push(args), {})},
    };
    const wanted = plan(
      step('role', 'make', {name: 'r'}),
      step('fn', 'use', {
        role: {$ref: 'role.arn'},
        text: {$join: ['a/', {$ref: 'role.size'}]},
        env: {TOKEN: {$secret: 'TOKEN'}},
      }),
    );
    const {done, events} = apply(wanted, ops);
    expect(await done).toEqual(
      new Map([
        ['role', {arn: 'role/7', size: 3}],
        ['fn', {}],
      ]),
    );
    expect(seen).toEqual([{name: 'r'}, {role: 'role/7', text: 'a/3', env: {TOKEN: 'value of TOKEN'}}]);
    expect(events.map((event) => `${event.kind} ${event.step.id}`)).toEqual([
      'stepStarted role',
      'stepDone role',
      'stepStarted fn',
      'stepDone fn',
    ]);
    expect(JSON.stringify(events)).not.toContain('value of TOKEN');
  });

  it('writes nothing when a secret is missing or an op is unknown', async () => {
    const first = failing(0, null, null);
    const missing = new ThawError('SECRET_MISSING', 'TOKEN is not set');
    const wanted = plan(step('a', 'first'), step('b', 'first', {deep: [{env: {$secret: 'TOKEN'}}]}));
    const secret = (): string => {
      throw missing;
    };
    await expect(apply(wanted, {first}, {secret}).done).rejects.toBe(missing);
    await expect(apply(plan(step('a', 'first'), step('b', 'x')), {first}).done).rejects.toThrow(
      /no op is called x/,
    );
    await expect(apply(plan(step('a', 'toString')), {first}).done).rejects.toThrow(TypeError);
    expect(first.calls).toBe(0);
  });

  it('passes the bytes that an op has done on as events', async () => {
    const push: Op = {retry: null, run: async ({progress}) => (progress(5, 10), {})};
    const {done, events} = apply(plan(step('a', 'push')), {push});
    await done;
    expect(events[1]).toMatchObject({kind: 'stepProgress', doneBytes: 5, totalBytes: 10});
  });
});

describe('a failing op', () => {
  it('is tried again as it declares: doubling waits up to the longest', async () => {
    const op = failing(4, refusal, {...soon, forMs: 5000});
    const {done, events} = apply(plan(step('a', 'op')), {op});
    expect((await done).get('a')).toEqual({calls: 5});
    const waits = events.flatMap((event) => (event.kind === 'stepRetried' ? [event.waitMs] : []));
    expect(waits).toEqual([100, 200, 400, 400]);
    expect(events[1]).toMatchObject({
      attempt: 1,
      problem: {code: 'PROVIDER_REFUSED', message: refusal.message},
    });
  });

  it('is given up when its time is over, and not before', async () => {
    const op = failing(Infinity, refusal, soon);
    const {done, clock} = apply(plan(step('a', 'op')), {op});
    await expect(done).rejects.toMatchObject({code: 'PROVIDER_REFUSED'});
    expect(clock.monotonicMs()).toBe(1000);
    expect(op.calls).toBe(5);
  });

  it.each([
    ['declares no retry', null, refusal],
    ['does not retry this error', soon, new ThawError('PERMISSION_DENIED', 'no')],
  ])('that %s is run once', async (_, retry, error) => {
    const op = failing(9, error, retry);
    await expect(apply(plan(step('a', 'op')), {op}).done).rejects.toThrow(ThawError);
    expect(op.calls).toBe(1);
  });

  it('says where it happened, keeps its code and facts, and stops the plan', async () => {
    const op = failing(1, refusal, null);
    const {done, events} = apply(plan(step('a', 'moon:Land'), step('b', 'moon:Land')), {'moon:Land': op});
    await expect(done).rejects.toMatchObject({
      code: 'PROVIDER_REFUSED',
      message: 'moon:Land for credit-scoring: the role cannot be assumed yet',
      facts: {role: 'r', op: 'moon:Land', step: 'a', function: 'credit-scoring', done: 0, of: 2},
      cause: refusal,
    });
    expect(op.calls).toBe(1);
    expect(events.at(-1)).toMatchObject({kind: 'stepFailed', problem: {code: 'PROVIDER_REFUSED'}});
  });

  it('stays a bug if it is one', async () => {
    const bug = new TypeError('undefined is not a function');
    const {done, events} = apply(plan(step('a', 'op')), {op: failing(1, bug, null)});
    await expect(done).rejects.toBe(bug);
    expect(events.at(-1)).toMatchObject({kind: 'stepFailed', problem: {code: null}});
  });
});

describe('an interruption', () => {
  const interrupted = (done: number, of: number) => ({code: 'INTERRUPTED', facts: {done, of, op: 'op'}});

  it('between two steps starts no further step', async () => {
    const controller = new AbortController();
    const op: Op = {retry: null, run: async () => (controller.abort(), {})};
    const {done, events} = apply(plan(step('a', 'op'), step('b', 'op')), {op}, {signal: controller.signal});
    await expect(done).rejects.toMatchObject(interrupted(1, 2));
    expect(events.map((event) => `${event.kind} ${event.step.id}`)).toEqual(['stepStarted a', 'stepDone a']);
  });

  it('inside a step reaches the op', async () => {
    const controller = new AbortController();
    const op: Op = {
      retry: {...soon, when: () => true},
      run: async ({ports, signal}) => {
        queueMicrotask(() => controller.abort());
        await ports.clock.sleep(1e9, signal);
        return {};
      },
    };
    await expect(apply(plan(step('a', 'op')), {op}, {signal: controller.signal}).done).rejects.toMatchObject(
      interrupted(0, 1),
    );
  });

  it('also when the op ends in the platform’s own abort error', async () => {
    const controller = new AbortController();
    const op: Op = {
      retry: null,
      run: async () => {
        controller.abort();
        throw controller.signal.reason as Error;
      },
    };
    await expect(apply(plan(step('a', 'op')), {op}, {signal: controller.signal}).done).rejects.toMatchObject(
      interrupted(0, 1),
    );
  });

  it('while waiting to try again ends the wait', async () => {
    const controller = new AbortController();
    const op = failing(9, refusal, soon);
    const onEvent = (event: ApplyEvent): void => {
      if (event.kind === 'stepRetried') queueMicrotask(() => controller.abort());
    };
    const more = {signal: controller.signal, onEvent};
    await expect(apply(plan(step('a', 'op')), {op}, more).done).rejects.toMatchObject(interrupted(0, 1));
    expect(op.calls).toBe(1);
  });

  it('after the last step changes nothing any more', async () => {
    const controller = new AbortController();
    const op: Op = {retry: null, run: async () => (controller.abort(), {})};
    const {done} = apply(plan(step('a', 'op')), {op}, {signal: controller.signal});
    expect((await done).get('a')).toEqual({});
  });
});

describe('the wait between attempts', () => {
  it('lies between half and all of a time that doubles', () => {
    expect([1, 2, 3, 4].map((attempt) => backoffMs(soon, attempt, () => 0))).toEqual([50, 100, 200, 200]);
    expect([1, 2, 3, 4].map((attempt) => backoffMs(soon, attempt, () => 1))).toEqual([100, 200, 400, 400]);
  });
});
