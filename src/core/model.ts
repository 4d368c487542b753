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
  /** Why this form could not be made or run; then there are no figures. */
  readonly failure: string | null;
  readonly times: CandidateTimes | null;
  readonly drift: readonly Drift[];
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

export type Objective = 'balanced' | 'cold' | 'warm' | 'size';

/** How far from the original a candidate may be, per output. */
export interface Accept {
  readonly cosine: number;
  readonly nsr: number;
  readonly top1Drop: number;
}

/** The measured comparison, and what was chosen. */
export interface Verdict {
  readonly schema: 'thaw.verdict/1';
  readonly model: Digest;
  readonly objective: Objective;
  readonly accept: Accept;
  /** Rows used to judge drift. */
  readonly rows: number;
  readonly cpu: string;
  readonly onnxruntime: string;
  readonly candidates: readonly Candidate[];
  readonly chosen: QuantizeMode;
  readonly why: string;
}

/** What the runtime needs to serve the chosen candidate: applied word for word. */
export interface ServeManifest {
  readonly schema: 'thaw.serve/1';
  readonly name: string;
  /** The model file, relative to the model folder of the image. */
  readonly file: string;
  readonly model: Digest;
  readonly onnxruntime: string;
  /** Passed to ONNX Runtime as they are. */
  readonly session: JsonObject;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
}
