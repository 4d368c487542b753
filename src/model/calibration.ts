import {readFile} from 'node:fs/promises';
import type {Digest} from '../core/digest.ts';
import {digestOf} from '../core/digest.ts';
import {messageOf, systemCode, ThawError} from '../core/errors.ts';
import type {Json} from '../core/json.ts';
import type {TensorInfo, TensorType} from '../core/model.ts';

/** One tensor of a row, flat. */
export interface RowTensor {
  readonly shape: readonly number[];
  readonly data: readonly (number | boolean | string)[];
}

/** One set of inputs for a model, by input name. */
export type Row = {readonly [input: string]: RowTensor};

/** What is right for a row: a class by number or name, or one for each of its vectors of scores. */
export type Label = number | string | readonly (number | string)[];

/** Rows that a model's candidates are calibrated and judged by. */
export interface Calibration {
  readonly file: string;
  readonly digest: Digest;
  readonly rows: readonly Row[];
  /** One for each row; null where the file gives none. */
  readonly labels: readonly (Label | null)[];
}

/**
 * Reads calibration rows: one JSON object a line, with nested arrays by input name. For a model with one input a line
 * may also be the bare array, or `{"features": [...]}` as tabular requests have it. A first dimension that may vary,
 * or is 1, may be left out. A line may say in `label` what is right for it, if no input is called so.
 *
 * @throws ThawError CALIBRATION_INVALID with file and line
 */
export async function readCalibration(file: string, inputs: readonly TensorInfo[]): Promise<Calibration> {
  const bytes = await readFile(file).catch((error: unknown) => {
    const what = systemCode(error) === 'ENOENT' ? 'there is no such file' : messageOf(error);
    throw new ThawError('CALIBRATION_INVALID', `calibration rows ${file}: ${what}`, {file}, {cause: error});
  });
  return {file, digest: digestOf(bytes), ...parseCalibration(file, bytes, inputs)};
}

/**
 * Parses the bytes of a calibration file.
 *
 * @throws ThawError CALIBRATION_INVALID with file and line
 */
export function parseCalibration(
  file: string,
  bytes: Uint8Array,
  inputs: readonly TensorInfo[],
): Pick<Calibration, 'rows' | 'labels'> {
  const rows: Row[] = [];
  const labels: (Label | null)[] = [];
  let line = 0;
  for (const text of linesOf(bytes)) {
    line++;
    if (text.trim() === '') continue;
    try {
      const {label, given} = takeLabel(JSON.parse(text) as Json, inputs);
      rows.push(rowOf(given, inputs));
      labels.push(label);
    } catch (error) {
      const input = error instanceof RowProblem ? error.input : null;
      const what = error instanceof RowProblem ? error.message : `not JSON: ${messageOf(error)}`;
      throw new ThawError('CALIBRATION_INVALID', `${file}:${line}: ${what}`, {
        file,
        line,
        input,
        inputs: inputs.map(({name}) => name),
      });
    }
  }
  if (rows.length === 0) {
    throw new ThawError('CALIBRATION_INVALID', `${file} has no rows`, {file, line});
  }
  return {rows, labels};
}

/** Line by line, as the whole file might be more than one string can hold. */
function* linesOf(bytes: Uint8Array): Generator<string> {
  // Leaves out a byte order mark.
  const utf8 = new TextDecoder();
  for (let start = 0; start < bytes.length;) {
    const found = bytes.indexOf(0x0a, start);
    const end = found === -1 ? bytes.length : found;
    yield utf8.decode(bytes.subarray(start, end));
    start = end + 1;
  }
}

class RowProblem extends Error {
  readonly input: string | null;

  constructor(message: string, input: string | null = null) {
    super(message);
    this.input = input;
  }
}

/** What a line calls that which is right for it. */
const LABEL = 'label';

/** Parts a line into its label, if it has one, and the rest. */
function takeLabel(line: Json, inputs: readonly TensorInfo[]): {label: Label | null; given: Json} {
  const isInput = inputs.some(({name}) => name === LABEL);
  if (isInput || typeof line !== 'object' || line === null || Array.isArray(line)) {
    return {label: null, given: line};
  }
  const {[LABEL]: label = null, ...given} = line as {readonly [member: string]: Json};
  const isOne = (value: Json): boolean => typeof value === 'number' || typeof value === 'string';
  if (label !== null && !isOne(label) && !(Array.isArray(label) && (label as Json[]).every(isOne))) {
    throw new RowProblem(`label is ${JSON.stringify(label).slice(0, 40)}: no number, text, or list of these`);
  }
  return {label: label as Label | null, given};
}

/** What tabular requests call their only input, whatever the model calls it. */
const FEATURES = 'features';

function rowOf(value: Json, inputs: readonly TensorInfo[]): Row {
  const given = membersOf(value, inputs);
  const names = inputs.map(({name}) => name);
  for (const name of given.keys()) {
    if (!names.includes(name)) {
      throw new RowProblem(`the model has no input ${name}; it has ${names.join(', ')}`, name);
    }
  }
  const row = Object.create(null) as {[input: string]: RowTensor};
  const symbols = new Map<string, number>();
  for (const input of inputs) {
    const tensor = given.get(input.name);
    if (tensor === undefined) throw new RowProblem(`input ${input.name} is missing`, input.name);
    row[input.name] = tensorOf(input, tensor);
    checkSymbols(input, row[input.name]!.shape, symbols);
  }
  return row;
}

function membersOf(value: Json, inputs: readonly TensorInfo[]): ReadonlyMap<string, Json> {
  const only = inputs.length === 1 ? inputs[0]!.name : null;
  if (Array.isArray(value)) {
    if (only !== null) return new Map([[only, value as Json]]);
    throw new RowProblem(`a bare array, but the model has ${inputs.length} inputs: name them`);
  }
  if (typeof value !== 'object' || value === null) {
    throw new RowProblem('not an object with an array for each input');
  }
  const members = Object.entries(value);
  const isFeatures = only !== null && members.length === 1 && members[0]![0] === FEATURES;
  return new Map(isFeatures ? [[only, members[0]![1]]] : members);
}

function tensorOf(input: TensorInfo, value: Json): RowTensor {
  const given = shapeOf(value, input);
  const shape = fittingShape(given, input.shape);
  if (!shape) {
    throw new RowProblem(
      `input ${input.name} has shape [${given.join(', ')}], the model takes [${input.shape.join(', ')}]`,
      input.name,
    );
  }
  const data: (number | boolean | string)[] = [];
  flatten(input, value, given, 0, data);
  return {shape, data};
}

/** The shape of nested arrays as their first elements tell it; deeper than any fitting one it need not be known. */
function shapeOf(value: Json, input: TensorInfo): number[] {
  const shape: number[] = [];
  for (let level = value; Array.isArray(level) && shape.length <= input.shape.length;) {
    shape.push(level.length);
    level = (level as readonly Json[])[0] ?? null;
  }
  return shape;
}

function fittingShape(given: readonly number[], wanted: readonly (number | string)[]): number[] | null {
  const full = given.length === wanted.length - 1 ? [1, ...given] : [...given];
  const fits =
    full.length === wanted.length &&
    wanted.every((size, axis) => typeof size === 'string' || size === full[axis]);
  return fits ? full : null;
}

function flatten(
  input: TensorInfo,
  value: Json,
  shape: readonly number[],
  axis: number,
  into: (number | boolean | string)[],
): void {
  if (axis === shape.length) {
    into.push(elementOf(input, value));
    return;
  }
  if (!Array.isArray(value) || value.length !== shape[axis]) {
    throw new RowProblem(`input ${input.name} is ragged: its arrays differ in length`, input.name);
  }
  for (const member of value as readonly Json[]) flatten(input, member, shape, axis + 1, into);
}

const INTEGER_RANGES: {readonly [T in TensorType]?: readonly [min: number, max: number]} = {
  UINT8: [0, 255],
  UINT16: [0, 65_535],
  UINT32: [0, 4_294_967_295],
  UINT64: [0, Number.MAX_SAFE_INTEGER],
  INT8: [-128, 127],
  INT16: [-32_768, 32_767],
  INT32: [-2_147_483_648, 2_147_483_647],
  INT64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

function elementOf({name, type}: TensorInfo, value: Json): number | boolean | string {
  const range = INTEGER_RANGES[type];
  if (range) {
    if (Number.isInteger(value) && (value as number) >= range[0] && (value as number) <= range[1]) {
      return value as number;
    }
  } else if (typeof value === (type === 'BOOL' ? 'boolean' : type === 'BYTES' ? 'string' : 'number')) {
    return value as number | boolean | string;
  }
  const shown = JSON.stringify(value).slice(0, 40);
  throw new RowProblem(`input ${name} is ${type} and has an element ${shown}`, name);
}

/** A symbol stands for one size in all inputs of a row. */
function checkSymbols({name, shape}: TensorInfo, sizes: readonly number[], known: Map<string, number>): void {
  for (const [axis, symbol] of shape.entries()) {
    if (typeof symbol !== 'string' || symbol === '?') continue;
    const size = known.get(symbol) ?? sizes[axis]!;
    if (size !== sizes[axis]) {
      throw new RowProblem(`input ${name} has ${symbol} = ${sizes[axis]}, another input has ${size}`, name);
    }
    known.set(symbol, size);
  }
}
