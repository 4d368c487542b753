import type {Label} from './calibration.ts';
import type {OutputRow, OutputTensor} from './drift.ts';

/** What share of the labels a model gives, or why that cannot be told. */
export type AccuracyResult =
  {readonly accuracy: number | null; readonly failure: null} | {readonly failure: string};

/**
 * Compares labels with what a model says. A model says labels by its first output of integers or text; if it has
 * none, by the place of the largest element in each vector of its first output that has vectors.
 *
 * @param labels one for each row; rows without one do not count, and without any there is no accuracy
 */
export function measureAccuracy(
  labels: readonly (Label | null)[],
  outputs: readonly OutputRow[],
): AccuracyResult {
  let [right, all] = [0, 0];
  for (const [at, label] of labels.entries()) {
    const row = outputs[at];
    if (label === null || row === undefined) continue;
    const said = labelsIn(row);
    if (said === null) {
      return {failure: 'there are labels, but no output gives labels or a score for each'};
    }
    const wanted = Array.isArray(label)
      ? (label as readonly (number | string)[])
      : [label as number | string];
    if (wanted.length !== said.length) {
      return {failure: `row ${at + 1} has ${wanted.length} labels, and the model gives ${said.length}`};
    }
    all += wanted.length;
    right += wanted.filter((each, place) => String(each) === String(said[place])).length;
  }
  return {accuracy: all === 0 ? null : right / all, failure: null};
}

function labelsIn(row: OutputRow): readonly (number | boolean | string | null)[] | null {
  const tensors = Object.values(row);
  const labels = tensors.find(({type}) => /^(U?INT|BYTES)/.test(type));
  if (labels) return labels.data;
  const scores = tensors.find(({type, shape}) => type.startsWith('FP') && (shape.at(-1) ?? 0) > 1);
  return scores ? largestOfEach(scores) : null;
}

function largestOfEach({shape, data}: OutputTensor): number[] {
  const width = shape.at(-1)!;
  return Array.from({length: data.length / width}, (_, vector) => {
    const scores = data.slice(vector * width, (vector + 1) * width).map((score) => Number(score ?? NaN));
    return scores.reduce((best, score, at) => (score > scores[best]! ? at : best), 0);
  });
}
