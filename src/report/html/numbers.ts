import {formatMs} from '../../core/units.ts';
import {formatMsRange} from '../duration.ts';

/** A space that no line breaks at: a number and its unit stay together. */
const NO_BREAK = '\u00a0';

/** Milliseconds for people; `none` where there are none. */
export const showMs = (ms: number | null, none = '–'): string =>
  ms === null ? none : formatMs(ms).replace(' ', NO_BREAK).replace('-', '−');

/** Two durations: `83.4–98.7 ms`. */
export const showMsRange = (lowMs: number, highMs: number): string =>
  formatMsRange(lowMs, highMs, '–').replaceAll(' ', NO_BREAK);

/** A count, its digits in groups of three: `12,340`. */
export const showCount = (count: number | null, none = '–'): string =>
  count === null ? none : String(count).replaceAll(/\B(?=(?:\d{3})+$)/g, ',');

/** A count and what is counted: `1 request`, `60 requests`. */
export const showCountOf = (count: number, one: string): string =>
  `${showCount(count)}${NO_BREAK}${one}${count === 1 ? '' : 's'}`;

/** Where something stands in a chart, as a share of its width. */
export const percent = (share: number): string => `${Number((share * 100).toFixed(2))}%`;
