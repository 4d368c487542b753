import {describe, expect, it} from 'vitest';
import type {ApplyEvent} from '../../src/deploy/apply.ts';
import {describeConformance} from './conformance.ts';
import {baseOf, openDesk} from './conformance/desk.ts';
import {memoryTraits, openMemoryHarness} from './memory/harness.ts';

describeConformance({name: 'memory', traits: memoryTraits, openHarness: () => openMemoryHarness()});

describe('the memory driver', () => {
  it('waits for a new role to be known everywhere', async () => {
    const harness = await openMemoryHarness();
    const events: ApplyEvent[] = [];
    await openDesk(harness).deploy(baseOf(harness), {onEvent: (event) => events.push(event)});
    const retried = events.flatMap((event) => (event.kind === 'stepRetried' ? [event.step.op] : []));
    expect(retried).toEqual(['faas:CreateFunction', 'faas:CreateFunction']);
    await harness.close();
  });

  it('plans nothing over what somebody else made under a name that it needs', async () => {
    const harness = await openMemoryHarness((spec, cloud) => ({
      ...spec,
      inspect: async (context, fn, options) => {
        await cloud.createRole(context.signal, `thaw-${fn.name}`, {team: 'billing'}).catch(() => {});
        return spec.inspect(context, fn, options);
      },
    }));
    const desk = openDesk(harness);
    await expect(desk.plan(baseOf(harness))).rejects.toMatchObject({
      code: 'PROVIDER_CONFLICT',
      facts: {taken: ['role']},
    });
    expect((await desk.inspect(baseOf(harness))).teardown().steps).toEqual([]);
    await harness.close();
  });

  it('goes on with a function of which only the creation was written', async () => {
    const harness = await openMemoryHarness();
    const desk = openDesk(harness);
    const base = baseOf(harness);
    const controller = new AbortController();
    const stop = (event: ApplyEvent): void => {
      if (event.kind === 'stepStarted' && event.step.op === 'faas:WaitUpdated') controller.abort();
    };
    await expect(desk.deploy(base, {signal: controller.signal, onEvent: stop})).rejects.toMatchObject({
      code: 'INTERRUPTED',
    });
    const plan = await desk.plan(base);
    expect(plan.steps.map(({op}) => op)).toEqual([
      'faas:WaitUpdated',
      'faas:PublishVersion',
      'faas:WaitVersionActive',
      'faas:PutAlias',
      'faas:PutConcurrency',
      'faas:PutTriggers',
    ]);
    const named = plan.steps.flatMap(({op, changes}) => changes.map(({path}) => `${op} ${path}`));
    expect(named).toContain('faas:PublishVersion image');
    await desk.apply(plan, base);
    await desk.assertDeployed(base);
    await harness.close();
  });
});
