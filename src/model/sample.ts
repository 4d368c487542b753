import type {Json, JsonObject} from '../core/json.ts';
import type {Model, TensorInfo} from '../core/model.ts';

/**
 * A request that a model without a handler answers: Open Inference Protocol JSON. Names, types and shapes are the
 * model's own, with 1 for every dimension that may vary; the values are made up.
 */
export function sampleRequest(model: Pick<Model, 'inputs'>): JsonObject {
  return {
    inputs: model.inputs.map((input) => {
      const shape = input.shape.map((size) => (typeof size === 'number' ? size : 1));
      const count = shape.reduce((product, size) => product * size, 1);
      return {
        name: input.name,
        shape,
        datatype: input.type,
        data: Array.from({length: count}, () => sampleElement(input)),
      };
    }),
  };
}

/** Integers are often indexes, of which 0 is the one that surely exists; a mask of zeros would hide everything. */
function sampleElement({name, type}: TensorInfo): Json {
  switch (type) {
    case 'BOOL':
      return true;
    case 'BYTES':
      return 'text';
    case 'FP16':
    case 'FP32':
    case 'FP64':
      return 0.5;
    default:
      return /mask/i.test(name) ? 1 : 0;
  }
}
