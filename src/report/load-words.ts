import type {LoadReport, LoadShape, LoadStage} from '../core/load.ts';
import {formatDuration} from '../core/units.ts';

/** A load in words: `200 per second for 20s`. */
export function describeLoad(shape: LoadShape): string {
  switch (shape.kind) {
    case 'rate':
      return `${formatRate(shape.perSecond)} per second for ${formatDuration(shape.durationMs)}`;
    case 'steps':
      return `${shape.perSecond.map(formatRate).join(', ')} per second, ${formatDuration(shape.durationMs)} each`;
    case 'burst':
      return `${shape.requests} requests at once`;
    default:
      return `${formatRate(shape.fromPerSecond)} to ${formatRate(shape.toPerSecond)} per second in ${formatDuration(shape.durationMs)}`;
  }
}

/** A rate per second, without digits that nobody asked for: `200`, `62.5`. */
function formatRate(perSecond: number): string {
  return String(Number(perSecond.toFixed(2)));
}

/** What a stage is called: its rate, or `at once`. */
export function stageName({perSecond}: LoadStage): string {
  return perSecond === null ? 'at once' : `${formatRate(perSecond)}/s`;
}

/**
 * What share of a stage's good answers had to wait for an instance to start: `1.2 %`. Empty where answers carry no
 * evidence, since nothing is known then.
 */
export function formatColdShare({classes}: LoadStage): string {
  const known = Object.entries(classes)
    .filter(([name]) => name !== 'unknown')
    .reduce((sum, [, count]) => sum + count, 0);
  if (known === 0) return '';
  const percent = (100 * (classes.cold + classes.joined)) / known;
  return `${percent.toFixed(percent > 0 && percent < 9.95 ? 1 : 0)} %`;
}

/** Where a load that looks for it found the knee, as a clause; null of other loads. */
export function describeKnee({shape, kneePerSecond}: LoadReport): string | null {
  if (shape.kind !== 'ramp' && shape.kind !== 'steps') return null;
  return kneePerSecond === null
    ? 'it kept up at every rate, or at none'
    : `it kept up to ${formatRate(kneePerSecond)} requests per second, not beyond`;
}
