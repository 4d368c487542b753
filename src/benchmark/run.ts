import {ThawError, throwIfInterrupted} from '../core/errors.ts';
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
  /** It was ended by the signal before every shot was fired. */
  readonly interrupted: boolean;
  /** What `chill`, `fire` or `keep` threw, which ended it. */
  readonly failure: ThawError | null;
}

/**
 * Fires the shots one after the other (a closed loop), chilling before each that wants to be cold, and keeps every
 * sample as it arrives. An interrupt ends the run with what was measured until then, and so does a ThawError of
 * `chill`, `fire` or `keep`: a full disk or a lost provider takes nothing away from the samples that came before.
 */
export async function runShots(run: Run): Promise<Measured> {
  const samples: Sample[] = [];
  let firstColdIsApart = run.freshImage;
  try {
    for (const shot of run.shots) {
      throwIfInterrupted(run.signal);
      if (shot.want === 'cold') await run.chill();
      const came = toSample(run.provider, shot, await run.fire(shot));

      const firstAfterDeploy = firstColdIsApart && came.class === 'cold';
      if (firstAfterDeploy) firstColdIsApart = false;
      const sample = {...came, firstAfterDeploy};
      samples.push(sample);
      await run.keep(sample);
      run.onSample?.(sample);
    }
  } catch (error) {
    if (!(error instanceof ThawError)) throw error;
    const interrupted = error.code === 'INTERRUPTED';
    return {samples, interrupted, failure: interrupted ? null : error};
  }
  return {samples, interrupted: false, failure: null};
}
