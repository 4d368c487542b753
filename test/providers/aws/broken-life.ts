import {expect} from 'vitest';
import {createAwsDriver} from '../../../src/providers/aws/driver.ts';
import {messageOf, type ThawError} from '../../../src/core/errors.ts';
import type {Fault} from '../../fakes/aws/faults.ts';
import type {Fault as RegistryFault} from '../../unit/image/registry/fake-registry.ts';
import {baseOf, openDesk, type Wanted} from '../conformance/desk.ts';
import {NAME, openAwsHarness, type AwsHarness} from './harness.ts';
import {lifeOf, lookAfter, plantSurroundings, type Stage} from './life.ts';

/** Everything that can become of a request. */
export const KINDS = ['throttle', '500', '503', 'reset', 'reset after', 'timeout'] as const;
type Kind = (typeof KINDS)[number];

/** What is not answered by then is given up. */
const TIMES = {answerMs: 150, archiveMs: () => 300};
/** States last long enough to be seen, and not so long that most requests ask for them again. */
const PACES = {createMs: 1000, updateMs: 1000, roleMs: 1000, provisionMs: 1000, mappingMs: 1000};
/** What is asked until it is so: how often depends on when. */
const POLLS = ['GetFunction', 'GetProvisionedConcurrencyConfig', 'GetEventSourceMapping'];

/** A request of a life: the n-th of its operation in one command, those not counted that were broken. */
interface Target {
  readonly stage: string;
  readonly operation: string;
  readonly ordinal: number;
  /** It may be that it is not asked for in another life. */
  readonly mayBeMissing: boolean;
}

/**
 * Lives with a function over and over, each time with other requests broken, until each of them was. After every command
 * there must be what is there after it in a life in which nothing is broken, with no command run twice.
 *
 * @param kinds what breaks the requests, in turn
 * @param every one of so many is broken in one life
 * @returns how many requests were broken
 */
export async function breakLives(
  options: AwsHarness['options'],
  kinds: readonly Kind[],
  every: number,
): Promise<number> {
  const times = kinds.includes('timeout') ? TIMES : {};
  const harness = await openAwsHarness(options, {runs: false, paces: PACES}, times);
  try {
    plantSurroundings(harness);
    const stages = lifeOf(harness);
    // That a machine is slow for a moment shall not be recorded.
    const patient = {...harness, driver: createAwsDriver()};
    const {targets, seen} = await liveWhole(patient, stages);
    const hit = new Set<Target>();
    for (let offset = 0; offset < every; offset++) {
      const chosen = new Map<Target, Fault>();
      for (let n = offset; n < targets.length; n += every) {
        const target = targets[n];
        const kind = kinds[n % kinds.length];
        if (target !== undefined && kind !== undefined) chosen.set(target, kind);
      }
      for (const target of await liveBroken(harness, stages, chosen, seen)) hit.add(target);
    }
    const missed = targets.filter((target) => !hit.has(target) && !target.mayBeMissing);
    expect(missed, 'requests that were not broken').toEqual([]);
    return hit.size;
  } finally {
    await harness.close();
  }
}

/** Lives as one does where nothing is broken, and notes each request, and what is there after each command. */
async function liveWhole(
  harness: AwsHarness,
  stages: readonly Stage[],
): Promise<{readonly targets: readonly Target[]; readonly seen: ReadonlyMap<Stage, unknown>}> {
  const {aws} = harness;
  const desk = openDesk(harness);
  const targets: Target[] = [];
  const seen = new Map<Stage, unknown>();
  for (const stage of stages) {
    const from = aws.requests.length;
    await stage.run(desk);
    const asked = aws.requests.slice(from);
    const refused = new Set(
      asked.filter(({reads, error}) => !reads && error !== null).map((each) => each.operation),
    );
    const counts = new Map<string, number>();
    for (const {operation} of asked) {
      const ordinal = counts.get(operation) ?? 0;
      counts.set(operation, ordinal + 1);
      const isPoll = POLLS.some((poll) => operation === `lambda:${poll}`);
      const mayBeMissing = ordinal > 0 && (isPoll || refused.has(operation));
      targets.push({stage: stage.name, operation, ordinal, mayBeMissing});
    }
    seen.set(stage, await lookAfter(harness, desk, stage));
  }
  return {targets, seen};
}

/** Lives once with some requests broken. @returns those that were */
async function liveBroken(
  harness: AwsHarness,
  stages: readonly Stage[],
  chosen: ReadonlyMap<Target, Fault>,
  seen: ReadonlyMap<Stage, unknown>,
): Promise<readonly Target[]> {
  const {aws} = harness;
  const desk = openDesk(harness);
  const hit: Target[] = [];
  for (const stage of stages) {
    const waiting = new Map(
      [...chosen]
        .filter(([target]) => target.stage === stage.name)
        .map(([target, fault]) => [`${target.operation} ${target.ordinal}`, {target, fault}]),
    );
    const counts = new Map<string, number>();
    const broken: string[] = [];
    aws.faults.by(({operation}) => {
      const ordinal = counts.get(operation) ?? 0;
      const key = `${operation} ${ordinal}`;
      const next = waiting.get(key);
      if (next === undefined) {
        counts.set(operation, ordinal + 1);
        return null;
      }
      waiting.delete(key);
      hit.push(next.target);
      broken.push(`${JSON.stringify(next.fault)} at ${operation} (${ordinal + 1})`);
      return next.fault;
    });
    const about = (): string => `${stage.name}, with ${broken.join(', ') || 'nothing broken'}`;
    await stage.run(desk).catch((error: unknown) => {
      throw new Error(`${about()}: ${messageOf(error)}`);
    });
    aws.faults.clear();
    expect(await lookAfter(harness, desk, stage), about()).toEqual(seen.get(stage));
  }
  return hit;
}

/** What a registry can do to a request that may be sent again. */
export const REGISTRY_KINDS: readonly RegistryFault[] = [
  '429',
  '500',
  '500 half-way',
  'reset before reading',
  'reset half-way',
  'reset after doing it',
];

/**
 * Pushes an image over and over, each time with another request to the registry broken, until each was.
 *
 * @param kindsFor the kinds that break the n-th request of a push
 * @returns how many requests were broken
 */
export async function breakPushes(kindsFor: (n: number) => readonly RegistryFault[]): Promise<number> {
  const harness = await openAwsHarness({}, {runs: false, paces: PACES});
  try {
    const {aws} = harness;
    const desk = openDesk(harness);
    const base = baseOf(harness);
    await desk.deploy(base);
    const before = await desk.endState(base);
    const {digest} = base.image.image;
    const pushAnew = async (): Promise<number> => {
      for (const kept of [aws.registry.blobs, aws.registry.manifests, aws.registry.links]) kept.clear();
      const from = aws.registry.seen.length;
      expect((await desk.deploy(base)).steps.map(({op}) => op)).toEqual(['ecr:PushImage']);
      return aws.registry.seen.length - from;
    };
    const requests = await pushAnew();
    let broken = 0;
    for (let n = 0; n < requests; n++) {
      for (const kind of kindsFor(n)) {
        broken++;
        aws.breakRegistry(n, kind);
        const made = await pushAnew().catch((error: unknown) => {
          throw new Error(`${kind} at request ${n} of the push: ${messageOf(error)}`);
        });
        // The first is refused for want of a password before it is done.
        const isDone = n > 0 || kind !== 'reset after doing it';
        expect(made > requests, `${kind} at request ${n} of the push was noticed`).toBe(isDone);
        expect(aws.registry.manifests.has(`thaw/${NAME}@${digest}`)).toBe(true);
        expect(await desk.endState(base)).toEqual(before);
      }
    }
    return broken;
  } finally {
    await harness.close();
  }
}

/** No command makes so many requests in vain before it gives up: some ten reads are tried at a time. */
const TRIES_MAX = 150;

/**
 * Deploys over and over, each time with the network gone from another request on: the deploy gives up and says where, and
 * run again with the network back it comes to the end that it always comes to.
 *
 * @returns at how many requests the network went
 */
export async function cutDeploys(wanted: (harness: AwsHarness) => Wanted): Promise<number> {
  const harness = await openAwsHarness({}, {runs: false, paces: PACES});
  try {
    plantSurroundings(harness);
    const {aws} = harness;
    const desk = openDesk(harness);
    const target = wanted(harness);
    const stage: Stage = {name: 'deploy', run: () => desk.deploy(target), wanted: target, settled: true};
    await stage.run(desk);
    const end = await lookAfter(harness, desk, stage);
    await desk.teardown(target);
    for (let n = 0; ; n++) {
      const before = aws.requests.length;
      aws.faults.from(n, 'reset');
      const error = await desk.deploy(target).then(
        () => null,
        (thrown: unknown) => thrown,
      );
      const made = aws.requests.length - before;
      aws.faults.clear();
      // All that a deploy asks for was asked for before.
      if (error === null) return n;
      const about = `the network gone from request ${n} on: ${messageOf(error)}`;
      expect(error, about).toMatchObject({code: 'PROVIDER_UNREACHABLE'});
      expect(made - n, about).toBeLessThan(TRIES_MAX);
      const {step, done, of} = (error as ThawError).facts;
      // Before anything is written there is no plan yet.
      if (step !== undefined) expect(done, about).toBeLessThan(of as number);
      expect(messageOf(error)).toMatch(/got no answer|cannot be reached/);
      await stage.run(desk);
      expect(await lookAfter(harness, desk, stage), about).toEqual(end);
      await desk.teardown(target);
      expect(await harness.inventory(), about).toEqual([]);
    }
  } finally {
    await harness.close();
  }
}
