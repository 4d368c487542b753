import {NativeTensor, type Binding, type ValueMetadata} from './binding.ts';
import {messageOf, RequestFailure, StartFailure} from './failures.ts';
import {tensorsFromFeeds} from './feeds.ts';
import {
  elementOf,
  typeOfOnnx,
  typeOfOrt,
  type Tensor,
  type TensorData,
  type TensorInfo,
} from './tensor-types.ts';

/** A loaded model. */
export interface Session {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /**
   * Runs the model. It blocks the thread.
   *
   * @throws RequestFailure 422 for feeds that do not fit, 500 where the model itself fails on them
   */
  run(feeds: {readonly [name: string]: unknown}): {[name: string]: Tensor};
}

/**
 * Loads a model file.
 *
 * @param options session options, passed to ONNX Runtime as they are
 * @throws StartFailure MODEL_INVALID
 */
export function openSession(binding: Binding, file: string, options: object): Session {
  const native = new binding.InferenceSession();
  try {
    native.loadModel(file, options);
  } catch (error) {
    throw new StartFailure('MODEL_INVALID', messageOf(error), error);
  }
  const inputs = native.inputMetadata.map((value) => tensorInfoOf(value, file));
  // Maps and sequences, as scikit-learn's exporters add them, cannot cross the binding: leave them out.
  const outputs = native.outputMetadata
    .filter((value) => value.isTensor)
    .map((value) => tensorInfoOf(value, file));
  if (outputs.length === 0) throw new StartFailure('MODEL_INVALID', `${file} has no output that is a tensor`);
  const fetches = Object.fromEntries(outputs.map(({name}) => [name, null]));
  return {
    inputs,
    outputs,
    run(feeds) {
      const tensors = tensorsFromFeeds(inputs, feeds);
      const nativeFeeds: {[name: string]: NativeTensor} = {};
      for (const [name, tensor] of Object.entries(tensors)) {
        nativeFeeds[name] = new NativeTensor(elementOf(tensor.type).ort, tensor.data, tensor.shape);
      }
      let results: {[name: string]: NativeTensor};
      try {
        results = native.run(nativeFeeds, fetches, {});
      } catch (error) {
        throw new RequestFailure(500, 'MODEL_FAILED', `the model failed: ${messageOf(error)}`);
      }
      const answers: {[name: string]: Tensor} = {};
      for (const {name} of outputs) {
        const result = results[name];
        if (result !== undefined) answers[name] = tensorOf(name, result);
      }
      return answers;
    },
  };
}

function tensorInfoOf(value: ValueMetadata, file: string): TensorInfo {
  const type = value.isTensor ? typeOfOnnx(value.type) : undefined;
  if (type === undefined) {
    const what = value.isTensor ? `of ONNX's element type ${value.type}` : 'not a tensor';
    throw new StartFailure('MODEL_INVALID', `${file}: ${value.name} is ${what}, which cannot be served`);
  }
  const shape = value.shape.map((size, axis) => (size >= 0 ? size : (value.symbolicDimensions[axis] ?? '')));
  return {name: value.name, type, shape};
}

function tensorOf(name: string, result: NativeTensor): Tensor {
  const type = typeOfOrt(result.type);
  if (type === undefined) throw new RequestFailure(500, 'MODEL_FAILED', `output ${name} is ${result.type}`);
  return {type, shape: [...result.dims], data: result.data as TensorData};
}
