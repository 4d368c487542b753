import type {Converted, PlainRow, PlainTensor} from '../python/convert/convert.ts';
import {ThawError} from '../core/errors.ts';
import type {Model} from '../core/model.ts';
import type {Row} from '../model/calibration.ts';
import {figure, measureDrift, type OutputRow, type OutputTensor} from '../model/drift.ts';
import type {Probe} from '../model/probe.ts';

/** How one output of a converted model agrees with the original's. */
export interface Agreement {
  readonly output: string;
  readonly cosine: number;
  readonly maxAbs: number;
  /** Values that were compared. */
  readonly rows: number;
  /** Of values that are labels, how many are equal; null for numbers. */
  readonly equal: number | null;
}

/** A conversion that changes the numbers more than this is wrong, not rounded. */
const COSINE_MIN = 0.999;
/** Labels at the very edge between two classes may fall to the other side when scores are rounded. */
const LABELS_WRONG_MAX = 0.02;

/**
 * Runs a converted model on its rows in the ONNX Runtime that will serve it.
 *
 * @throws ThawError CONVERSION_REFUSED with `reason: 'differs'` if it does not run, or does not agree
 */
export async function compareWithOriginal(
  model: Model,
  {file, rows, expected}: Converted,
  probe: Probe,
): Promise<readonly Agreement[]> {
  const names = model.inputs.map(({name}) => name);
  const fed = rows.map((row) =>
    Object.fromEntries(names.flatMap((name) => (row[name] ? [[name, row[name]]] : []))),
  );
  const measured = await probe({
    model: file,
    session: {},
    rows: fed as unknown as Row[],
    warmCalls: 0,
    wantOutputs: true,
  });
  if (!measured.ok) {
    const message = `the converted model does not run: ${measured.message}`;
    throw new ThawError('CONVERSION_REFUSED', message, {reason: 'differs'});
  }
  const reference = expected.map((row, at) => alignRow(row, measured.rows[at]!));
  const actual = measured.rows.map((row) => asComparable(row));
  const {drift, broken} = measureDrift(reference, actual);
  const agreement = drift.map(({output, cosine, nsr, maxAbs}): Agreement => {
    const tensors = reference.map((row) => row[output]!);
    const count = tensors.reduce((sum, {data}) => sum + data.length, 0);
    const labels = tensors[0]?.type === 'BYTES';
    return {output, cosine, maxAbs, rows: count, equal: labels ? Math.round(count * (1 - nsr)) : null};
  });
  const faults = agreement.flatMap(({output, cosine, equal, rows: count}) => {
    if (equal !== null)
      return count - equal > count * LABELS_WRONG_MAX ? [`${output}: ${equal} of ${count} equal`] : [];
    return cosine < COSINE_MIN ? [`${output}: cosine ${figure(cosine)}`] : [];
  });
  const fault =
    broken ?? (agreement.length === 0 ? 'no output could be compared' : null) ?? faults.join('; ');
  if (fault !== '') {
    const message = `the converted model does not give what the original gives: ${fault}`;
    throw new ThawError('CONVERSION_REFUSED', message, {reason: 'differs'});
  }
  return agreement;
}

/** The original's outputs in the form of the result's: libraries say [64] where ONNX says [64, 1], and compute in doubles. */
function alignRow(expected: PlainRow, actual: OutputRow): OutputRow {
  const entries = Object.entries(expected).map(([name, tensor]) => {
    const other = actual[name];
    const alike = other !== undefined && essential(tensor.shape) === essential(other.shape);
    const aligned = {...tensor, ...(alike && {shape: other.shape}), ...(other && {type: other.type})};
    return [name, comparable(aligned as PlainTensor as OutputTensor)] as const;
  });
  return Object.fromEntries(entries);
}

const essential = (shape: readonly number[]): string => shape.filter((size) => size !== 1).join();

const asComparable = (row: OutputRow): OutputRow =>
  Object.fromEntries(Object.entries(row).map(([name, tensor]) => [name, comparable(tensor)]));

/** Integers are labels or indices: they are equal or not. */
function comparable(tensor: OutputTensor): OutputTensor {
  if (tensor.type.startsWith('FP')) return tensor;
  return {...tensor, type: 'BYTES', data: tensor.data.map(String)};
}
