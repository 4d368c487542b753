import type {Sample} from '../core/sample.ts';

/** So many failures alike are no accident. */
const ALIKE_MIN = 5;

/** Failures that say: there is nobody to talk to. */
const NOBODY_THERE = /^(refused|dns|tls): /;

/**
 * Says why a run should not go on, or null: everything since its start has failed in one and the same way, so that
 * what is left of it would only do so too. One answer, or one other failure, and the run goes on to its end.
 *
 * A load is given up only where nobody is there to talk to: that the first answers of a burst are refusals is a result.
 *
 * @param samples all of one target so far, in the order in which they came
 */
export function shouldGiveUp(samples: readonly Sample[]): string | null {
  const error = samples[0]?.error ?? null;
  if (error === null || samples.length < ALIKE_MIN) return null;
  if (samples.some((sample) => sample.error !== error)) return null;
  if (samples[0]?.shot.want === 'any' && !NOBODY_THERE.test(error)) return null;
  return `the first ${samples.length} requests all failed alike: ${error}`;
}
