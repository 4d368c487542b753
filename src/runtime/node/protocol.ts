// The Open Inference Protocol, version 2, over JSON: what KServe and Triton speak.
import {RequestFailure} from './failures.ts';
import {showShape} from './feeds.ts';
import type {Session} from './session.ts';
import {jsonElements, type JsonElement} from './tensor-json.ts';
import type {TensorInfo} from './tensor-types.ts';

interface InferRequest {
  readonly id?: unknown;
  readonly inputs?: unknown;
  readonly outputs?: unknown;
}

interface RequestTensor {
  readonly name?: unknown;
  readonly shape?: unknown;
  readonly datatype?: unknown;
  readonly data?: unknown;
}

/** An inference response. */
export interface InferResponse {
  readonly model_name: string;
  readonly id?: string;
  readonly outputs: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly datatype: string;
    readonly data: readonly JsonElement[];
  }[];
}

/**
 * Answers one inference request.
 *
 * @throws RequestFailure 422 for a request that is not one, or whose tensors do not fit
 */
export function infer(modelName: string, session: Session, body: unknown): InferResponse {
  const request = (typeof body === 'object' && body !== null ? body : {}) as InferRequest;
  if (!Array.isArray(request.inputs)) {
    throw new RequestFailure(422, 'WRONG_SHAPE', 'the request needs inputs: [{name, shape, datatype, data}]');
  }
  const wanted = wantedOutputs(session.outputs, request.outputs);
  const results = session.run(feedsOf(session.inputs, request.inputs as RequestTensor[]));
  return {
    model_name: modelName,
    ...(typeof request.id === 'string' ? {id: request.id} : {}),
    outputs: wanted.flatMap((name) => {
      const tensor = results[name];
      return tensor === undefined
        ? []
        : [{name, shape: tensor.shape, datatype: tensor.type, data: jsonElements(tensor)}];
    }),
  };
}

function feedsOf(
  inputs: readonly TensorInfo[],
  tensors: readonly RequestTensor[],
): {[name: string]: unknown} {
  // Names are the client's: nothing may be inherited.
  const feeds = Object.create(null) as {[name: string]: unknown};
  for (const tensor of tensors) {
    if (typeof tensor !== 'object' || tensor === null || typeof tensor.name !== 'string') {
      throw new RequestFailure(422, 'WRONG_SHAPE', 'every input needs a name');
    }
    const {name, shape, datatype, data} = tensor;
    if (name in feeds) throw new RequestFailure(422, 'WRONG_SHAPE', `input ${name} is given twice`, name);
    const info = inputs.find((input) => input.name === name);
    if (info !== undefined && datatype !== info.type) {
      throw new RequestFailure(
        422,
        'WRONG_TYPE',
        `input ${name} has datatype ${String(datatype)}, the model takes ${info.type}`,
        name,
      );
    }
    if (info !== undefined && !Array.isArray(shape)) {
      const takes = showShape(info.shape);
      throw new RequestFailure(
        422,
        'WRONG_SHAPE',
        `input ${name} needs a shape, the model takes ${takes}`,
        name,
      );
    }
    feeds[name] = {data, shape};
  }
  return feeds;
}

/** The outputs a request asks for; all of them if it does not say. */
function wantedOutputs(outputs: readonly TensorInfo[], asked: unknown): readonly string[] {
  const all = outputs.map(({name}) => name);
  if (!Array.isArray(asked) || asked.length === 0) return all;
  return asked.map((output: {name?: unknown} | null) => {
    const name = String(output?.name);
    if (!all.includes(name)) {
      throw new RequestFailure(
        422,
        'UNKNOWN_OUTPUT',
        `the model has no output ${name}; it has ${all.join(', ')}`,
        name,
      );
    }
    return name;
  });
}

/** What the protocol says of a model. */
export function modelMetadata(
  name: string,
  inputs: readonly TensorInfo[],
  outputs: readonly TensorInfo[],
): object {
  const metadata = (info: TensorInfo): object => ({
    name: info.name,
    datatype: info.type,
    shape: info.shape.map((size) => (typeof size === 'number' ? size : -1)),
  });
  return {
    name,
    versions: [],
    platform: 'onnxruntime_onnx',
    inputs: inputs.map(metadata),
    outputs: outputs.map(metadata),
  };
}
