import {expect} from 'vitest';
import {messageOf} from '../../../src/core/errors.ts';
import type {Fault} from '../../fakes/aws/faults.ts';
import {openDesk} from '../conformance/desk.ts';
import {openAwsHarness, type AwsHarness} from './harness.ts';
import {lifeOf, lookAfter, plantSurroundings, type Stage} from './life.ts';

/** Everything that can become of a request. */
export const KINDS = ['throttle', '500', '503', 'reset', 'reset after', 'timeout'] as const;
export type Kind = (typeof KINDS)[number];

/** Between two that are broken in one life, so many requests are left alone. */
const GAP = 12;
/** What is not answered by then is given up. */
const TIMES = {answerMs: 120, archiveMs: 300};
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
 * @param kindFor which kind breaks the n-th request of a life
 * @returns how many requests were broken
 */
export async function breakLives(
  options: AwsHarness['options'],
  kindFor: (n: number) => Kind,
): Promise<number> {
  const harness = await openAwsHarness(options, {runs: false, paces: PACES}, TIMES);
  try {
    plantSurroundings(harness);
    const stages = lifeOf(harness);
    const {targets, seen} = await liveWhole(harness, stages);
    const hit = new Set<Target>();
    for (let offset = 0; offset < GAP; offset++) {
      const chosen = new Map<Target, Fault>();
      for (let n = offset; n < targets.length; n += GAP) {
        const target = targets[n];
        if (target !== undefined) chosen.set(target, kindFor(n));
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
