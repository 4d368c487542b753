import type {StartupRecord} from '../core/deployment.ts';
import type {Sample, StartClass} from '../core/sample.ts';
import {formatMs} from '../core/units.ts';
import type {Weighed} from './plausibility.ts';
import {median} from './statistics.ts';

/** Boots that are cold by the evidence of their instances, or went on from a snapshot: the provider can be asked of them. */
export const coldBootsOf = (samples: readonly Sample[]): string[] =>
  samples.flatMap(({class: found, evidence}) => (isStart(found) && evidence ? [evidence.bootId] : []));

/**
 * Holds cold starts against what the provider itself recorded of them. One that the provider did not make for a request
 * is of unknown class. What the provider says nothing of stays what it is by evidence, and a note says so.
 */
export function weighRecords(
  provider: string,
  samples: readonly Sample[],
  records: readonly StartupRecord[],
): Weighed {
  const cold = new Set(coldBootsOf(samples));
  const known = records.filter(({bootId}) => cold.has(bootId));
  if (cold.size === 0) return {samples, notes: []};
  const confirmed = known.filter(({onDemand}) => onDemand);
  const denied = new Set(known.filter(({onDemand}) => !onDemand).map(({bootId}) => bootId));
  const notes: string[] = [];
  if (confirmed.length > 0) {
    notes.push(
      `${confirmed.length} of ${cold.size} cold starts are in ${provider}'s own record: ${renderPhases(confirmed)}`,
    );
  } else if (denied.size === 0) {
    notes.push(`${provider} itself has no record of the ${cold.size} cold starts`);
  }
  if (denied.size > 0) {
    notes.push(
      `${denied.size} of ${cold.size} cold starts are unknown: by ${provider}'s own record their instances were not made for a request`,
    );
  }
  return {
    notes,
    samples: samples.map((sample) =>
      isStart(sample.class) && denied.has(sample.evidence?.bootId ?? '')
        ? {...sample, class: 'unknown', firstAfterDeploy: false}
        : sample,
    ),
  };
}

/** Whether an instance was started for a request. */
const isStart = (found: StartClass): boolean => found === 'cold' || found === 'restored';

/** Medians, by the names that the provider uses. */
function renderPhases(records: readonly StartupRecord[]): string {
  const names = [...new Set(records.flatMap(({phases}) => Object.keys(phases)))];
  const medians = names.map((name) => {
    const all = records.flatMap(({phases}) => phases[name] ?? []);
    const counted = all.length < records.length ? ` (of ${all.length})` : '';
    return `${name} ${formatMs(median(all) ?? 0)}${counted}`;
  });
  return `${medians.join(', ')}${records.length > 1 ? ' in the median' : ''}`;
}
