import {formatMs} from '../core/units.ts';

/** Two durations, the unit said once where it is the same: `1.71–9.10 ms`, `212 ms–1.04 s`. */
export function formatMsRange(lowMs: number, highMs: number, dash: string): string {
  const [low, high] = [formatMs(lowMs), formatMs(highMs)];
  const unit = high.slice(high.indexOf(' '));
  return `${low.endsWith(unit) ? low.slice(0, -unit.length) : low}${dash}${high}`;
}
