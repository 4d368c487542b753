import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, describe, expect, it} from 'vitest';
import type {Json} from '../../../src/core/json.ts';
import type {Invocation} from '../../../src/core/sample.ts';
import {bodyOf, eventually, makePackage, makeSite, type TestSite} from './site.ts';

let packageDir: string;
const sites: TestSite[] = [];
beforeAll(async () => {
  packageDir = await makePackage();
});
afterEach(async () => {
  await Promise.all(sites.splice(0).map((site) => site.cleanUp()));
});
afterAll(async () => {
  const {rm} = await import('node:fs/promises');
  await rm(packageDir, {recursive: true, force: true});
});

async function newSite(options: Json = {}): Promise<TestSite> {
  const site = await makeSite(packageDir, options);
  sites.push(site);
  return site;
}

/** Requests that all wait in their instances until so many instances are busy at the same time. */
async function untilBusy(site: TestSite, count: number, instances: number): Promise<Invocation[]> {
  const go = join(site.stateDir, 'go');
  const answers = times(count, () => site.post({holdUntil: go}));
  await eventually(`${instances} are busy`, async () => {
    return (await site.view()).status.instances?.filter(({state}) => state === 'busy').length === instances;
  });
  await writeFile(go, '');
  return answers;
}

const times = <T>(count: number, act: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({length: count}, (_, index) => act(index)));

describe('scaling', () => {
  it('runs no instance until a request comes, and that request is cold by evidence', async () => {
    const site = await newSite();
    await site.deploy();
    expect((await site.pids()).instances).toEqual([]);
    const {status, evidence, timings} = await site.post();
    expect(status).toBe(200);
    expect(evidence?.ordinal).toBe(1);
    expect(evidence?.bootAgeMs).toBeLessThanOrEqual(
      (timings.firstByteMs as number) - (timings.connectedMs as number),
    );
    expect((await site.post()).evidence).toMatchObject({bootId: evidence?.bootId, ordinal: 2});
    expect((await site.pids()).instances).toHaveLength(1);
  });

  it('does not start an instance before a large body has arrived whole', async () => {
    const site = await newSite();
    await site.deploy();
    const {evidence, timings, body} = await site.post({padding: 'x'.repeat(20 * 2 ** 20)});
    expect(bodyOf({body} as never)['bytes']).toBeGreaterThan(20 * 2 ** 20);
    expect(evidence?.bootAgeMs).toBeLessThanOrEqual(
      (timings.firstByteMs as number) - (timings.connectedMs as number),
    );
  });

  it('ends an instance after the idle timeout, and boots anew', async () => {
    const site = await newSite({idleTimeout: '300ms'});
    await site.deploy();
    const first = await site.post();
    await eventually('the instance has ended', async () => (await site.pids()).instances.length === 0);
    expect((await site.view()).status.instances).toEqual([]);
    const second = await site.post();
    expect(second.evidence?.ordinal).toBe(1);
    expect(second.evidence?.bootId).not.toBe(first.evidence?.bootId);
  });

  it('starts several for requests at once, one request in each, and never more than allowed', async () => {
    const site = await newSite();
    await site.deploy({maxInstances: 5});
    let most = 0;
    const watch = setInterval(() => {
      void site.pids().then(({instances}) => (most = Math.max(most, instances.length)));
    }, 20);
    const answers = await untilBusy(site, 20, 5);
    clearInterval(watch);
    expect(answers.map(({status}) => status)).toEqual(Array.from({length: 20}, () => 200));
    const boots = new Set(answers.map(({evidence}) => evidence?.bootId));
    expect(boots.size).toBe(5);
    expect(most).toBe(5);
    for (const answer of answers) expect(bodyOf(answer)['mostAtOnce']).toBe(1);
  });

  it('lets four requests join one boot where an instance may serve four', async () => {
    const site = await newSite();
    await site.deploy({resources: {concurrency: 4}});
    const answers = await times(4, () => site.post({sleepMs: 100}));
    expect(new Set(answers.map(({evidence}) => evidence?.bootId)).size).toBe(1);
    expect(new Set(answers.map(({evidence}) => evidence?.ordinal))).toEqual(new Set([1, 2, 3, 4]));
    // Of the others none is certain to have come before the boot began: on a busy machine they connect late.
    const first = answers.find(({evidence}) => evidence?.ordinal === 1);
    expect(first?.evidence?.bootAgeMs).toBeLessThanOrEqual(
      (first?.timings.firstByteMs as number) - (first?.timings.connectedMs as number),
    );
    expect(bodyOf(answers[0] as never)['mostAtOnce']).toBeGreaterThan(1);
  });

  it('answers 429 to what the queue cannot hold, and 200 to the rest', async () => {
    const site = await newSite();
    const go = join(site.stateDir, 'go');
    await site.deploy({maxInstances: 1, env: {START_WHEN: go}});
    let refusedSoFar = 0;
    const asked = times(110, async () => {
      const answer = await site.post();
      if (answer.status === 429) refusedSoFar++;
      return answer;
    });
    await eventually('ten are refused', () => Promise.resolve(refusedSoFar === 10));
    await writeFile(go, '');
    const answers = await asked;
    const refused = answers.filter(({status}) => status === 429);
    expect(refused).toHaveLength(10);
    expect(answers.filter(({status}) => status === 200)).toHaveLength(100);
    expect(refused[0]?.headers['retry-after']).toBe('1');
    expect(bodyOf(refused[0] as never).error.code).toBe('QUEUE_FULL');
    expect(refused[0]?.evidence).toBeNull();
  });

  it('keeps warm instances ready, refills them, and says honestly that they were there before', async () => {
    const site = await newSite({idleTimeout: '100ms'});
    const status = await site.deploy({warmMin: 2});
    expect(status.instances).toHaveLength(2);
    expect(status.state).toBe('ready');
    const before = (await site.pids()).instances;
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(new Set((await site.pids()).instances)).toEqual(new Set(before));

    const {evidence, timings} = await site.post();
    expect(evidence?.ordinal).toBe(1);
    expect(evidence?.bootAgeMs).toBeGreaterThan(timings.endMs);

    process.kill(before[0] as number, 'SIGKILL');
    await eventually('there are two again', async () => {
      const {instances} = (await site.view()).status;
      return instances?.filter(({state}) => state === 'idle').length === 2;
    });
    expect((await site.pids()).instances).not.toContain(before[0]);
  });

  it('makes the next request cold when it is chilled, again and again', async () => {
    const site = await newSite();
    await site.deploy();
    const boots = new Set<string | undefined>();
    for (let i = 0; i < 3; i++) {
      await site.apply((await site.view()).chill().plan);
      expect((await site.pids()).instances).toEqual([]);
      const {evidence} = await site.post();
      expect(evidence?.ordinal).toBe(1);
      boots.add(evidence?.bootId);
    }
    expect(boots.size).toBe(3);
  });

  it('remembers what it saw of each start', async () => {
    const site = await newSite();
    await site.deploy({warmMin: 1, maxInstances: 2});
    const answers = await untilBusy(site, 2, 2);
    const {localDriver} = await import('../../../src/providers/local/driver.ts');
    const {deployment} = (await site.view()).status;
    const bootIds = answers.map(({evidence}) => evidence?.bootId as string);
    const open = localDriver.open({});
    const records = await open.startup(site.context, deployment as never, {
      bootIds: [...bootIds, 'nobody'],
      sinceMs: null,
    });
    expect(records.map(({bootId}) => bootId)).toEqual(bootIds);
    expect(new Set(records.map(({onDemand}) => onDemand))).toEqual(new Set([false, true]));
    for (const {phases} of records) {
      expect(Object.keys(phases)).toEqual(['queue', 'create', 'listen']);
      expect(phases['listen']).toBeGreaterThan(0);
    }
  });
});
