import type {Digest} from './digest.ts';
import type {JsonObject} from './json.ts';

/** Element types as the Open Inference Protocol spells them. */
export type TensorType =
  | 'BOOL'
  | 'UINT8'
  | 'UINT16'
  | 'UINT32'
  | 'UINT64'
  | 'INT8'
  | 'INT16'
  | 'INT32'
  | 'INT64'
  | 'FP16'
  | 'FP32'
  | 'FP64'
  | 'BYTES';

/** A named input or output of a model. */
export interface TensorInfo {
  readonly name: string;
  readonly type: TensorType;
  /** One entry a dimension: its size, or the symbol of a dimension that may vary. */
  readonly shape: readonly (number | string)[];
}

/** An ONNX file and what was read from it. */
export interface Model {
  readonly schema: 'thaw.model/1';
  readonly digest: Digest;
  /** Bytes of the file and of its external data together. */
  readonly bytes: number;
  readonly opset: number;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** How often each operator occurs, subgraphs included; other domains are written `domain.Operator`. */
  readonly operators: {readonly [operator: string]: number};
  /** External data files that the model needs, relative to it. */
  readonly externalData: readonly string[];
}

/** What was measured of one candidate in fresh processes; times are medians over `processes`. */
export interface CandidateTimes {
  readonly processes: number;
  readonly loadMs: number;
  readonly firstMs: number;
  readonly warmMs: number;
  readonly rssMb: number;
}

/** How far a candidate's outputs are from the original's, per output, on the judging rows. */
export interface Drift {
  readonly output: string;
  readonly cosine: number;
  /** Noise to signal: Σ(y−ref)² / Σref². */
  readonly nsr: number;
  readonly maxAbs: number;
  /** Share of rows whose largest element moved; null where the output is not a vector of scores. */
  readonly top1Drop: number | null;
}

/** One form of the model that could be served. */
export interface Candidate {
  readonly mode: QuantizeMode;
  readonly digest: Digest;
  readonly bytes: number;
  /** Session options without which the form is not what it is meant to be; they travel with it. */
  readonly session: JsonObject;
  /** How the ranges of activations were found; null where the form needs none. */
  readonly calibrator: Calibrator | null;
  /**
   * Labels of the nodes that stay float, or are quantized more finely than the others, because the result was outside
   * `accept` without that.
   */
  readonly keptFloat: readonly string[];
  /**
   * How long it took to make and write the form, finding its ranges and sensitive nodes included, reading the original
   * and judging the form not; null for the original.
   */
  readonly quantizeMs: number | null;
  /** Why this form could not be made or run; then there are no figures. */
  readonly failure: string | null;
  /** Null too where drift ruled it out before it was timed. */
  readonly times: CandidateTimes | null;
  readonly drift: readonly Drift[];
  /** Share of the labels that it gives; null where the rows have none. */
  readonly accuracy: number | null;
  /** Whether every output is within `accept`; null where there were no rows to judge by. */
  readonly accepted: boolean | null;
}

/** Every form that a model can be given, and the names they go by. */
export const QUANTIZE_MODES = [
  'none',
  'dynamic',
  'static',
  'weights',
  'int8-blocks',
  'int4',
  'fp16',
] as const;
export type QuantizeMode = (typeof QUANTIZE_MODES)[number];

/** The kind of CPU that a form shall be right on; `any` cannot saturate anywhere. */
export const CPU_CLASSES = ['any', 'vnni', 'avx2', 'arm64'] as const;
export type CpuClass = (typeof CPU_CLASSES)[number];

/** The ways to find the range of a value, by what they do about outliers. */
export const CALIBRATORS = ['min-max', 'percentile', 'entropy'] as const;
export type Calibrator = (typeof CALIBRATORS)[number];

/** What a form shall be best at. */
export const OBJECTIVES = ['balanced', 'cold', 'warm', 'size'] as const;
export type Objective = (typeof OBJECTIVES)[number];

/** How far from the original a candidate may be, per output. */
export interface Accept {
  readonly cosine: number;
  readonly nsr: number;
  readonly top1Drop: number;
}

/** How a form is laid out and loaded; none of it changes what the model says. */
export interface Shape {
  /**
   * `inside`: weights are in the model file. `mapped`: they lie in a file beside it, which is mapped into memory.
   * `ahead`: mapped, and the graph is already optimized, at the level that is right on every CPU.
   */
  readonly weights: 'inside' | 'mapped' | 'ahead';
  /** Whether weights are copied into the order that the CPU likes best when the model is loaded. */
  readonly prepacking: boolean;
  /** Threads for one inference; null leaves it to ONNX Runtime: one for each core. */
  readonly threads: number | null;
}

/** A shape of the chosen form, as measured. */
export interface Shaping {
  readonly shape: Shape;
  /** What the model's files take together in the image. */
  readonly bytes: number;
  /** All session options: the form's own and the shape's. */
  readonly session: JsonObject;
  /** Why it could not be made or run, or that it changes what the model says. */
  readonly failure: string | null;
  readonly times: CandidateTimes | null;
}

/** What a form is held to where nobody says otherwise. */
export const DEFAULT_ACCEPT: Accept = {cosine: 0.998, nsr: 0.01, top1Drop: 0.005};

/** The measured comparison, and what was chosen. */
export interface Verdict {
  readonly schema: 'thaw.verdict/1';
  readonly model: Digest;
  /** What was asked for: the best, or one form whatever it does. */
  readonly asked: 'auto' | QuantizeMode;
  readonly objective: Objective;
  readonly accept: Accept;
  /** Rows used to judge drift. None of them calibrated. */
  readonly rows: number;
  /** Rows used to calibrate, and to find the nodes that must stay float. */
  readonly calibrationRows: number;
  /** The machine that measured. */
  readonly cpu: string;
  readonly cpuClass: CpuClass;
  /** The kind of CPU that the forms were made for. */
  readonly madeFor: CpuClass;
  readonly onnxruntime: string;
  /** The original first. */
  readonly candidates: readonly Candidate[];
  /** Forms that were not made, and why. */
  readonly untried: readonly {readonly mode: QuantizeMode; readonly why: string}[];
  readonly chosen: QuantizeMode;
  readonly why: string;
  /** Ways to load what was chosen, the simplest first; none where that is not worth measuring. */
  readonly shapings: readonly Shaping[];
  readonly shape: Shape;
  readonly shapeWhy: string;
  /** What to know before relying on it. */
  readonly warnings: readonly string[];
}

/** How a Python handler is found and called. */
export interface PythonHandler {
  /** Relative to the handler folder of the image. */
  readonly file: string;
  /** A function, class or object in it; null: the first of the usual names. */
  readonly name: string | null;
  /** What an HTTP request becomes for a handler that takes events: one of HTTP, or the body alone. */
  readonly event: 'http' | 'direct';
}

/** What the runtime needs to serve the chosen candidate: applied word for word. */
export interface ServeManifest {
  readonly schema: 'thaw.serve/1';
  readonly name: string;
  /**
   * The model file, relative to the model folder of the image. Right on every CPU, with every ONNX Runtime. Null, with
   * all that follows from it, where the handler brings its own model.
   */
  readonly file: string | null;
  readonly model: Digest | null;
  /** The ONNX Runtime that measured. */
  readonly onnxruntime: string | null;
  /** Passed to ONNX Runtime as they are. */
  readonly session: JsonObject;
  /** The options instead where ONNX Runtime is the one that measured and the CPU is of the class. */
  readonly shaped?: {readonly session: JsonObject; readonly cpu: CpuClass};
  /** Only where Python serves. */
  readonly handler?: PythonHandler;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
}
