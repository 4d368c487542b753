import {ThawError} from '../core/errors.ts';
import {sameJson} from '../core/json.ts';
import type {LoadReport, LoadShape} from '../core/load.ts';
import type {RunHeader} from '../core/report.ts';
import type {Sample, Shot} from '../core/sample.ts';
import type {RunOnDisk} from './run-file.ts';
import {scheduleShots} from './schedule.ts';

/** What is left to do of a run at one provider, and what was done. */
export interface Remainder {
  readonly shots: readonly Shot[];
  /** In the order in which they came. */
  readonly kept: readonly Sample[];
  /** The next cold start would still be the first one measured of this image. */
  readonly freshImage: boolean;
  /** The load that is still to be fired, whole: half a load says nothing of the other half. */
  readonly load: LoadShape | null;
  readonly loadKept: LoadReport | null;
}

/** Plans what is left of a run at one of its providers. @throws TypeError if it is none of the run's */
export function planRemainder({header, samples, loads}: RunOnDisk, provider: string): Remainder {
  const target = header.targets.find((known) => known.provider === provider);
  if (!target) throw new TypeError(`${provider} is no target of the run`);
  const {cold, warm, load} = header.request;
  const kept = samples.filter((sample) => sample.provider === provider);
  const fired = new Set(kept.map(({shot}) => shot.index));
  const loadKept = loads.get(provider) ?? null;
  return {
    shots: scheduleShots({cold, warm, freshImage: target.freshImage}).filter(({index}) => !fired.has(index)),
    kept,
    freshImage: target.freshImage && !kept.some(({firstAfterDeploy}) => firstAfterDeploy),
    load: loadKept === null ? load : null,
    loadKept,
  };
}

/**
 * Refuses to go on with a run where what it measures is no longer what it measured: two halves of different things
 * make no report.
 *
 * @param now the header that a new run would have
 * @throws ThawError INPUT_INVALID that names every difference
 */
export function refuseOtherRun({file, header, finished}: RunOnDisk, now: RunHeader): void {
  const differences = [
    ...(finished ? ['it is finished'] : []),
    ...(header.function === now.function
      ? []
      : [`it measured ${header.function ?? 'no function'}, not ${now.function ?? 'a URL'}`]),
    ...(sameJson(header.machine, now.machine) ? [] : ['it was measured from another machine']),
    ...targetDifferences(header, now),
    ...requestDifferences(header, now),
  ];
  if (differences.length === 0) return;
  throw new ThawError('INPUT_INVALID', `${file} cannot be gone on with: ${differences.join('; ')}`, {
    file,
    differences,
  });
}

function targetDifferences(header: RunHeader, now: RunHeader): string[] {
  const names = ({targets}: RunHeader): string => targets.map(({provider}) => provider).join(', ');
  if (names(header) !== names(now)) return [`it measured ${names(header)}, not ${names(now)}`];
  return header.targets.flatMap((target, index) => {
    const other = now.targets[index];
    if (other && target.image !== other.image) return [`${target.provider} runs another image now`];
    // Where an image names what is measured, its address may change as it likes.
    if (other && target.image === null && target.url !== other.url) {
      return [`${target.provider} was ${target.url}, not ${other.url}`];
    }
    return [];
  });
}

function requestDifferences({request: then}: RunHeader, {request: now}: RunHeader): string[] {
  const bodies = ({bodies: all}: RunHeader['request']): string[] => all.map(({digest}) => digest);
  return [
    ...(then.cold === now.cold && then.warm === now.warm
      ? []
      : [`it fires ${then.cold} cold and ${then.warm} warm requests, not ${now.cold} and ${now.warm}`]),
    ...(sameJson(then.load, now.load) ? [] : ['its load is another']),
    ...(then.method === now.method ? [] : [`it sends ${then.method}, not ${now.method}`]),
    ...(sameJson(then.headers, now.headers) ? [] : ['its headers are others']),
    ...(sameJson(bodies(then), bodies(now)) ? [] : ['its bodies are others']),
  ];
}
