import type {JsonObject} from '../../core/json.ts';
import type {CpuClass} from '../../core/model.ts';
import type {ModelProto} from '../onnx.ts';
import type {ReadExternal} from '../tensor.ts';
import type {Memo} from './memo.ts';

/** What every mode is given. */
export interface QuantizeInput {
  /** Never changed: what a mode makes shares with it what it leaves as it is. */
  readonly model: ModelProto;
  readonly readExternal: ReadExternal;
  readonly cpu: CpuClass;
  /** Labels of nodes (`labelOf`) that shall stay as they are. */
  readonly keepFloat: ReadonlySet<string>;
  /** Shared by forms of one model that are made one after another. */
  readonly memo?: Memo;
}

/** A quantized model, or why there is none. */
export type QuantizeResult =
  | {
      readonly failure: null;
      /** Tensors that were kept outside of the model file may still be: `writeModel` takes them along. */
      readonly model: ModelProto;
      /** Session options without which the model is not what it is meant to be; they travel with it. */
      readonly session: JsonObject;
      /** The nodes whose weights are smaller now. */
      readonly quantizedNodes: readonly string[];
      /** Nodes of the kind that the mode is for which stayed as they were. */
      readonly leftAlone: readonly {readonly node: string; readonly why: string}[];
    }
  | {readonly failure: string};
