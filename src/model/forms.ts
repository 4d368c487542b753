import {ThawError} from '../core/errors.ts';
import type {JsonObject} from '../core/json.ts';
import type {Calibrator, CpuClass} from '../core/model.ts';
import {CALIBRATORS} from '../core/model.ts';
import type {Row} from './calibration.ts';
import {createReadExternal} from './external.ts';
import type {ChangingMode} from './plan-candidates.ts';
import type {Probe} from './probe.ts';
import {quantizeInt4, quantizeInt8Blocks, switchInt4} from './quantize/blocks.ts';
import {calibrate} from './quantize/calibrate.ts';
import {quantizeDynamic, switchDynamic} from './quantize/dynamic.ts';
import {quantizeFp16} from './quantize/fp16.ts';
import {createMemo} from './quantize/memo.ts';
import type {QuantizeInput, QuantizeResult} from './quantize/mode.ts';
import {quantizeStatic} from './quantize/static.ts';
import type {MakeSwitched, SwitchedModel} from './quantize/switches.ts';
import {quantizeWeights} from './quantize/weights.ts';
import type {OpenModel} from './read.ts';
import {merge} from './session-options.ts';

/** Makes a form of a model, with some nodes as they were, or finer than the others. */
export type MakeForm = (keepFloat: ReadonlySet<string>) => QuantizeResult;

/** A mode, ready to be applied to a model. */
export interface PreparedForm {
  readonly make: MakeForm;
  /** Makes the model with switches, by which its sensitive nodes are found sooner; null where there is no such thing. */
  readonly makeSwitched: MakeSwitched | null;
  /** How the ranges of its activations were found; null where it needs none. */
  readonly calibrator: Calibrator | null;
}

export interface FormRequest {
  readonly source: OpenModel;
  readonly cpu: CpuClass;
  /** The calibrating half of the rows. */
  readonly rows: readonly Row[];
  readonly probe: Probe;
  /** Where copies for measuring are written; none stays. */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** How far a form is from the original on the calibrating rows. */
  readonly nsrOf: (result: QuantizeResult & {readonly failure: null}) => Promise<number>;
  /** An `nsr` that needs no better. */
  readonly nsrMax: number;
  readonly onStep: (step: string) => void;
}

/** The modes that need nothing but the model. */
const MODES: {
  readonly [M in Exclude<ChangingMode, 'static'>]: (input: QuantizeInput) => QuantizeResult;
} = {
  // What does not bear one range for all its activations is multiplied in blocks: finer, and hardly larger.
  dynamic: ({keepFloat, ...input}) => quantizeDynamic({...input, keepFloat: new Set(), sensitive: keepFloat}),
  weights: quantizeWeights,
  'int8-blocks': quantizeInt8Blocks,
  int4: quantizeInt4,
  fp16: quantizeFp16,
};

/** The modes whose nodes can be tried in one model with switches. */
const SWITCHED: {
  readonly [M in ChangingMode]?: (input: QuantizeInput) => SwitchedModel | {readonly failure: string};
} = {dynamic: switchDynamic, int4: switchInt4};

/**
 * Prepares a mode for a model; `static` is calibrated.
 *
 * @throws ThawError DISK_FULL, PERMISSION_DENIED, RUNTIME_UNAVAILABLE, INTERRUPTED
 */
export async function prepareForm(
  mode: ChangingMode,
  request: FormRequest,
): Promise<PreparedForm | {readonly failure: string}> {
  if (mode === 'static') return prepareStatic(request);
  const memo = createMemo();
  const quantize = SWITCHED[mode];
  const makeSwitched = quantize ? makerOf(request, quantize, memo) : null;
  return {
    make: makerOf(request, MODES[mode], memo),
    makeSwitched: makeSwitched && (() => makeSwitched(new Set())),
    calibrator: null,
  };
}

/** Of the calibrators the first whose ranges are good enough on the rows they come from, else the best. */
async function prepareStatic(request: FormRequest): Promise<PreparedForm | {readonly failure: string}> {
  const {source, rows, probe, dir, signal, nsrOf, nsrMax, onStep} = request;
  let best: {prepared: PreparedForm; nsr: number} | null = null;
  for (const calibrator of CALIBRATORS) {
    onStep(`calibrating static on ${rows.length} rows, ${calibrator}`);
    const calibrated = await attempt(async () => calibrate({source, rows, calibrator, probe, dir, signal}));
    if (calibrated.failure !== null) {
      // The first needs least of a model: where it fails, nothing is to be had.
      if (best === null) return calibrated;
      continue;
    }
    const {ranges} = calibrated;
    const make = makerOf(request, (input) => quantizeStatic({...input, ranges}));
    const result = make(new Set());
    if (result.failure !== null) return result;
    const nsr = await nsrOf(result);
    if (best === null || nsr < best.nsr) best = {prepared: {make, makeSwitched: null, calibrator}, nsr};
    if (nsr <= nsrMax) break;
  }
  return best!.prepared;
}

/** Binds what makes a form of a model to all but the nodes that it shall leave as they are. */
function makerOf<T extends {readonly failure: null; readonly session: JsonObject}>(
  {source, cpu}: FormRequest,
  quantize: (input: QuantizeInput) => T | {readonly failure: string},
  memo = createMemo(),
): (keepFloat: ReadonlySet<string>) => T | {readonly failure: string} {
  const readExternal = createReadExternal(source.path);
  return (keepFloat) => {
    try {
      const result = quantize({model: source.proto, readExternal, cpu, keepFloat, memo});
      if (result.failure !== null || cpu !== 'vnni') return result;
      return {...result, session: merge(SAFE_ELSEWHERE, result.session)};
    } catch (error) {
      return failureOf(error);
    }
  };
}

/**
 * Where sums of bytes would saturate, ONNX Runtime then converts the weights while it optimizes the graph; elsewhere
 * it does nothing.
 */
const SAFE_ELSEWHERE: JsonObject = {extra: {session: {x64quantprecision: '1'}}};

async function attempt<T>(work: () => Promise<T>): Promise<T | {readonly failure: string}> {
  try {
    return await work();
  } catch (error) {
    return failureOf(error);
  }
}

/** A weight that is not what its shape says spoils the form; what it does to the original, ONNX Runtime tells. */
function failureOf(error: unknown): {readonly failure: string} {
  if (error instanceof ThawError && SPOILED.has(error.code)) return {failure: error.message};
  throw error;
}

const SPOILED: ReadonlySet<string> = new Set(['MODEL_INVALID', 'MODEL_UNSUPPORTED']);
