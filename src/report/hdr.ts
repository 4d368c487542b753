import {
  build,
  encodeIntoCompressedBase64,
  decodeFromCompressedBase64,
  type Histogram,
} from 'hdr-histogram-js';
import type {ProviderReport, Report} from '../core/report.ts';
import {groupsOf} from './groups.ts';

/** Values are microseconds; tools show them as milliseconds when told so. */
const PER_MS = 1000;

/**
 * The report as an HdrHistogram log (format 1.3), for the tools that read those: one interval line for each group of
 * each provider, tagged `provider.group`, the values in microseconds, three digits exact. Groups of which the report
 * has no single times, and such as nothing came of, have no line.
 */
export function renderHdr(report: Report): string {
  const startSeconds = seconds(Date.parse(report.startedAt));
  const header = [
    '#[thaw benchmark; values in microseconds]',
    '#[Histogram log format version 1.3]',
    `#[StartTime: ${startSeconds} (seconds since epoch), ${report.startedAt}]`,
    `#[BaseTime: ${startSeconds} (seconds since epoch)]`,
    '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
  ];
  return `${[...header, ...report.providers.flatMap(linesOf)].join('\n')}\n`;
}

function linesOf(provider: ProviderReport): string[] {
  const groups = groupsOf(provider).map(({name, times}) => ({
    name: name as string,
    histogram: histogramOf(times ?? []),
    lengthMs: (times ?? []).reduce((sum, ms) => sum + ms, 0),
  }));
  const load = provider.load && {
    name: 'load',
    histogram: decodeHistogram(provider.load.histogram),
    lengthMs: provider.load.bucketMs * provider.load.timeline.length,
  };
  return [...groups, ...(load ? [load] : [])].flatMap(({name, histogram, lengthMs}) => {
    if (histogram === null || histogram.totalCount === 0) return [];
    // A tag ends at the first comma or space.
    const tag = `${provider.provider}.${name}`.replaceAll(/[\s,]+/g, '_');
    const fields = ['0.000', seconds(lengthMs), (histogram.maxValue / PER_MS).toFixed(3)];
    return [`Tag=${tag},${fields.join(',')},${encodeIntoCompressedBase64(histogram)}`];
  });
}

/** A load's histogram; null where the text is not one. */
export function decodeHistogram(base64: string): Histogram | null {
  try {
    return decodeFromCompressedBase64(base64, 32);
  } catch {
    return null;
  }
}

function histogramOf(times: readonly number[]): Histogram {
  const histogram = build({
    bitBucketSize: 32,
    autoResize: true,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 2,
    numberOfSignificantValueDigits: 3,
  });
  for (const ms of times) histogram.recordValue(Math.max(0, Math.round(ms * PER_MS)));
  return histogram;
}

const seconds = (ms: number): string => (ms / 1000).toFixed(3);
