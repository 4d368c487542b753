import {ThawError} from '../core/errors.ts';
import type {Invocation, Sample, Shot} from '../core/sample.ts';
import {toSample} from './sample.ts';

/** What a run needs. */
export interface Run {
  readonly provider: string;
  readonly shots: readonly Shot[];
  /** Sends one request, once. What goes wrong on the wire is an Invocation. */
  fire(shot: Shot): Promise<Invocation>;
  /** Makes the next request cold. */
  chill(): Promise<void>;
  /** Keeps a sample, at once. */
  keep(sample: Sample): Promise<void>;
  onSample?(sample: Sample): void;
  /** The image has never been started where it is deployed: its first cold start is marked. */
  readonly freshImage: boolean;
  readonly signal: AbortSignal;
}

/** What a run measured. */
export interface Measured {
  readonly samples: readonly Sample[];
  /** It was ended before every shot was fired. */
  readonly interrupted: boolean;
}

/**
 * Fires the shots one after the other (a closed loop), chilling before each that wants to be cold, and keeps every
 * sample as it arrives. An interrupt ends the run with what was measured until then; every other error of `chill`,
 * `fire` or `keep` is thrown.
 */
export async function runShots(run: Run): Promise<Measured> {
  const samples: Sample[] = [];
  let firstColdIsApart = run.freshImage;
  for (const shot of run.shots) {
    const invocation = await unlessInterrupted(run.signal, async () => {
      if (shot.want === 'cold') await run.chill();
      return run.fire(shot);
    });
    if (invocation === 'interrupted') return {samples, interrupted: true};

    const came = toSample(run.provider, shot, invocation);
    const firstAfterDeploy = firstColdIsApart && came.class === 'cold';
    if (firstAfterDeploy) firstColdIsApart = false;
    const sample = {...came, firstAfterDeploy};
    samples.push(sample);
    await run.keep(sample);
    run.onSample?.(sample);
  }
  return {samples, interrupted: false};
}

async function unlessInterrupted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T | 'interrupted'> {
  if (signal.aborted) return 'interrupted';
  try {
    return await work();
  } catch (error) {
    if (error instanceof ThawError && error.code === 'INTERRUPTED') return 'interrupted';
    throw error;
  }
}
