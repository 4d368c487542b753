import type {Accept, Drift, TensorType} from '../core/model.ts';

/** An output tensor as the probe gives it: what is not finite is null, large integers are decimal strings. */
export interface OutputTensor {
  readonly type: TensorType;
  readonly shape: readonly number[];
  readonly data: readonly (number | boolean | string | null)[];
}

/** A model's outputs for one row. */
export type OutputRow = {readonly [output: string]: OutputTensor};

/** How far a candidate's outputs are from the original's. */
export interface DriftResult {
  readonly drift: readonly Drift[];
  /** Why the outputs cannot be compared, or are plainly wrong: a shape that differs, NaN where there was a number. */
  readonly broken: string | null;
  /** Where the original itself gives NaN or infinity: those elements are left out of the figures. */
  readonly originalNotFinite: string | null;
}

/**
 * Measures drift per output over all rows together. `cosine` and `nsr` take each output as one long vector; of
 * strings, equal counts as no error and unequal as an error of the size of the signal. An `nsr` that would be
 * infinite (the original gives nothing but zeros) is the largest number there is.
 */
export function measureDrift(original: readonly OutputRow[], candidate: readonly OutputRow[]): DriftResult {
  const names = Object.keys(original[0] ?? {});
  const sums = new Map(names.map((name) => [name, createSums()]));
  let originalNotFinite: string | null = null;
  const broken = (what: string): DriftResult => ({drift: [], broken: what, originalNotFinite});
  for (const [rowIndex, row] of original.entries()) {
    for (const name of names) {
      const where = `output ${name} of row ${rowIndex + 1}`;
      const [reference, tensor] = [row[name], candidate[rowIndex]?.[name]];
      if (!reference || !tensor) return broken(`${where} is missing`);
      if (reference.shape.join() !== tensor.shape.join() || reference.data.length !== tensor.data.length) {
        return broken(`${where} has shape [${tensor.shape.join(', ')}], not [${reference.shape.join(', ')}]`);
      }
      if (reference.type !== tensor.type) return broken(`${where} is ${tensor.type}, not ${reference.type}`);
      const [expected, actual] = numbersOf(reference, tensor);
      const failsAt = actual.findIndex((value, at) => Number.isNaN(value) && !Number.isNaN(expected[at]));
      if (failsAt !== -1) return broken(`${where} has NaN or infinity where the original has a number`);
      if (expected.some(Number.isNaN)) originalNotFinite ??= where;
      addTensor(sums.get(name)!, reference, expected, actual);
    }
  }
  return {drift: names.map((name) => driftOf(name, sums.get(name)!)), broken: null, originalNotFinite};
}

/** The outputs that are outside `accept`, each with the figures that are. */
export function outsideAccept(drift: readonly Drift[], accept: Accept): string[] {
  return drift.flatMap(({output, cosine, nsr, top1Drop}) => {
    const faults = [
      cosine >= accept.cosine ? null : `cosine ${figure(cosine)} < ${accept.cosine}`,
      nsr <= accept.nsr ? null : `nsr ${figure(nsr)} > ${accept.nsr}`,
      top1Drop === null || top1Drop <= accept.top1Drop
        ? null
        : `top1Drop ${figure(top1Drop)} > ${accept.top1Drop}`,
    ].filter((fault) => fault !== null);
    return faults.length === 0 ? [] : [`${output}: ${faults.join(', ')}`];
  });
}

/** A drift figure for people: enough digits to tell 0.9999 from 1. */
export function figure(value: number): string {
  if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential(1);
  return String(Number(value.toFixed(Math.abs(value) > 0.9 && Math.abs(value) < 1 ? 6 : 4)));
}

interface Sums {
  dot: number;
  expectedSquares: number;
  actualSquares: number;
  noise: number;
  maxAbs: number;
  vectors: number;
  moved: number;
  /** Whether all vectors so far could be scores. */
  scores: boolean;
}

const createSums = (): Sums => ({
  dot: 0,
  expectedSquares: 0,
  actualSquares: 0,
  noise: 0,
  maxAbs: 0,
  vectors: 0,
  moved: 0,
  scores: true,
});

function numbersOf(reference: OutputTensor, tensor: OutputTensor): [expected: number[], actual: number[]] {
  if (reference.type === 'BYTES') {
    const actual = tensor.data.map((value, at) => (value === reference.data[at] ? 1 : 0));
    return [reference.data.map(() => 1), actual];
  }
  const number = (value: number | boolean | string | null): number => (value === null ? NaN : Number(value));
  return [reference.data.map(number), tensor.data.map(number)];
}

function addTensor(
  sums: Sums,
  reference: OutputTensor,
  expected: readonly number[],
  actual: readonly number[],
): void {
  for (const [at, value] of expected.entries()) {
    const other = actual[at]!;
    if (Number.isNaN(value) || Number.isNaN(other)) continue;
    sums.dot += value * other;
    sums.expectedSquares += value * value;
    sums.actualSquares += other * other;
    sums.noise += (other - value) ** 2;
    sums.maxAbs = Math.max(sums.maxAbs, Math.abs(other - value));
  }
  const width = reference.shape.at(-1) ?? 0;
  if (width <= 1 || !reference.type.startsWith('FP')) return;
  for (let start = 0; start < expected.length; start += width) {
    sums.vectors++;
    sums.scores &&= areScores(expected, start, width, reference.shape.length);
    if (largestAt(expected, start, width) !== largestAt(actual, start, width)) sums.moved++;
  }
}

/** How near to 1 a sum must be to be one. */
const NEAR = 1e-3;

/**
 * Whether the largest element of a vector means anything. In maps, sequences of features and normalized embeddings
 * it does not; in a table of scores, and wherever the elements are shares of 1, it does.
 */
function areScores(values: readonly number[], start: number, width: number, rank: number): boolean {
  let [least, sum, squares] = [Infinity, 0, 0];
  for (let at = start; at < start + width; at++) {
    least = Math.min(least, values[at]!);
    sum += values[at]!;
    squares += values[at]! ** 2;
  }
  const areShares = least >= 0 && Math.abs(sum - 1) < NEAR;
  return areShares || (rank <= 2 && Math.abs(squares - 1) >= NEAR);
}

function largestAt(values: readonly number[], start: number, width: number): number {
  let largest = start;
  for (let at = start + 1; at < start + width; at++) if (values[at]! > values[largest]!) largest = at;
  return largest - start;
}

function driftOf(output: string, sums: Sums): Drift {
  const {dot, expectedSquares, actualSquares, noise, maxAbs, vectors, moved, scores} = sums;
  const norms = Math.sqrt(expectedSquares) * Math.sqrt(actualSquares);
  return {
    output,
    cosine: norms === 0 ? Number(noise === 0) : Math.max(-1, Math.min(1, dot / norms)),
    nsr: noise === 0 ? 0 : Math.min(noise / expectedSquares, Number.MAX_VALUE),
    maxAbs,
    top1Drop: vectors === 0 || !scores ? null : moved / vectors,
  };
}
