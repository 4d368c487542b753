import type {Label, Row} from './calibration.ts';

/** Some rows of a file, with what is right for each. */
export interface Rows {
  readonly rows: readonly Row[];
  readonly labels: readonly (Label | null)[];
}

/** Rows to calibrate by and rows to judge by: none is in both, not even as a copy. */
export interface Halves {
  readonly calibrating: Rows;
  readonly judging: Rows;
}

/** How many rows a half may have, and how many numbers all of them together: one request carries them. */
export interface HalfLimits {
  readonly rowsMax: number;
  readonly elementsMax: number;
}

/**
 * Parts rows into two halves, both taken evenly from the whole file: what was tuned on some rows is judged on others.
 * A single row judges, and nothing calibrates.
 */
export function splitRows({rows, labels}: Rows, limits: HalfLimits): Halves {
  const taken = takeEvenly(rows, limits);
  const judging = taken.filter((_, place) => place % 2 === 0);
  const judged = new Set(judging.map((at) => JSON.stringify(rows[at])));
  const calibrating = taken.filter((at, place) => place % 2 === 1 && !judged.has(JSON.stringify(rows[at])));
  const pick = (places: readonly number[]): Rows => ({
    rows: places.map((at) => rows[at]!),
    labels: places.map((at) => labels[at]!),
  });
  return {calibrating: pick(calibrating), judging: pick(judging)};
}

/** Places of at most twice as many rows as a half may have. */
function takeEvenly(rows: readonly Row[], {rowsMax, elementsMax}: HalfLimits): number[] {
  const sizes = rows.map((row) => Object.values(row).reduce((sum, {data}) => sum + data.length, 0));
  const mean = sizes.reduce((sum, size) => sum + size, 0) / Math.max(1, rows.length);
  const half = Math.max(1, Math.min(rowsMax, Math.floor(elementsMax / Math.max(1, mean))));
  const count = Math.min(rows.length, 2 * half);
  return Array.from({length: count}, (_, place) => Math.floor((place * rows.length) / count));
}
