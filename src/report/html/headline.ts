import type {ProviderReport, Report} from '../../core/report.ts';
import {groupsOf} from '../groups.ts';
import {describeKnee, describeLoad} from '../load-words.ts';
import {coldToWarm, QUANTILES, renderRatio} from '../quantiles.ts';
import {showCount, showCountOf, showMs} from './numbers.ts';

/** What the whole report comes to, in a sentence. */
export function headlineOf({function: name, providers}: Report): string {
  const [only] = providers;
  if (only && providers.length === 1) return sentenceOf(only);
  const subject = name ?? 'Endpoints';
  return providers.length === 0
    ? 'Nothing was measured'
    : `${subject}, measured at ${providers.length} places`;
}

/** What the measurements of one provider come to, in a sentence. */
export function sentenceOf(provider: ProviderReport): string {
  const {cold, warm} = provider;
  const medians = groupsOf(provider)
    .filter(({summary}) => summary.p50Ms !== null)
    .map(({name, summary}) => `${name === 'unknown' ? '' : `${name} `}p50 ${showMs(summary.p50Ms)}`);
  if (medians.length === 0) return loadSentenceOf(provider) ?? sentenceOfFew(provider);
  const ratio = coldToWarm(cold, warm);
  const rest =
    ratio !== null
      ? `: a cold start costs ${renderRatio(ratio)} times a warm request`
      : provider.unknown !== undefined && provider.unknown.n > 0
        ? '; which requests were cold is not known'
        : '';
  return capitalize(medians.join(', ') + rest);
}

/** What a load comes to, in a sentence; null where there was none. */
export function loadSentenceOf({load}: ProviderReport): string | null {
  if (load === null) return null;
  const [only] = load.stages;
  const said: (string | null)[] =
    only && load.stages.length === 1
      ? [
          only.latency.p50Ms === null ? null : `p50 ${showMs(only.latency.p50Ms)}`,
          only.latency.p99Ms === null ? null : `p99 ${showMs(only.latency.p99Ms)}`,
          `${showCountOf(only.due, 'request')} due, ${showCount(only.failed)} failed, ${showCount(only.dropped)} dropped`,
        ]
      : [];
  const clauses = [...said, describeKnee(load)].filter((clause) => clause !== null);
  return `Under load (${describeLoad(load.shape)})${clauses.length === 0 ? '' : `: ${clauses.join(', ')}`}`;
}

function sentenceOfFew(provider: ProviderReport): string {
  const counts = groupsOf(provider).map(({name, summary}) => `${showCount(summary.n)} ${name}`);
  const least = QUANTILES[0].samplesMin;
  return `${capitalize(counts.join(', '))}: a median takes ${least} requests`;
}

const capitalize = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
