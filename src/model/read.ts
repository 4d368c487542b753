import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {readFile, stat} from 'node:fs/promises';
import type {Digest} from '../core/digest.ts';
import {systemCode, ThawError, throwIfInterrupted} from '../core/errors.ts';
import type {Model, TensorInfo, TensorType} from '../core/model.ts';
import {formatBytes} from '../core/units.ts';
import {WireError} from './codec.ts';
import {inspectExternalFiles} from './external.ts';
import type {ExternalFile} from './external.ts';
import {DATA_TYPE, decodeModel, nodesWithin, operatorOf} from './onnx.ts';
import type {GraphProto, ModelProto, ValueInfoProto} from './onnx.ts';
import {describeContent, SNIFF_BYTES} from './sniff.ts';

/** A model together with what it was read from. */
export interface OpenModel {
  readonly path: string;
  readonly model: Model;
  readonly proto: ModelProto;
  readonly externalFiles: readonly ExternalFile[];
}

/** Protobuf carries no more than this in one file, and neither does ONNX Runtime read more. */
const FILE_BYTES_MAX = 2 ** 31 - 1;

/**
 * Reads what an ONNX file says of itself.
 *
 * @throws ThawError MODEL_NOT_FOUND, PERMISSION_DENIED; MODEL_INVALID if it is not a whole ONNX model that can be
 *   called; MODEL_UNSUPPORTED if it is one that thaw cannot serve; INTERRUPTED
 */
export async function readModel(path: string, signal?: AbortSignal): Promise<Model> {
  return (await openModel(path, signal)).model;
}

/**
 * Reads an ONNX file, with its graph and weights.
 *
 * @throws ThawError as `readModel` does
 */
export async function openModel(path: string, signal?: AbortSignal): Promise<OpenModel> {
  const bytes = await readModelFile(path);
  const proto = parseModelFile(path, bytes);
  const graph = graphOf(path, bytes, proto);
  const interfaces = interfaceOf(path, proto, graph);
  const externalFiles = await inspectExternalFiles(path, proto);
  const model: Model = {
    schema: 'thaw.model/1',
    digest: await digestOfFiles(bytes, externalFiles, signal),
    bytes: externalFiles.reduce((sum, file) => sum + file.bytes, bytes.length),
    opset: opsetOf(proto),
    ...interfaces,
    operators: countOperators(proto, graph),
    externalData: externalFiles.map(({location}) => location),
  };
  return {path, model, proto, externalFiles};
}

async function readModelFile(path: string): Promise<Buffer> {
  try {
    const {size} = await stat(path);
    if (size > FILE_BYTES_MAX) {
      throw new ThawError(
        'MODEL_UNSUPPORTED',
        `${path} has ${formatBytes(size)} in one file: without external data neither protobuf nor ONNX Runtime takes more than 2 GB`,
        {file: path, bytes: size, bytesMax: FILE_BYTES_MAX},
      );
    }
    return await readFile(path);
  } catch (error) {
    if (error instanceof ThawError) throw error;
    const facts = {file: path};
    switch (systemCode(error)) {
      case 'ENOENT':
      case 'ENOTDIR':
        throw new ThawError('MODEL_NOT_FOUND', `there is no model file ${path}`, facts, {cause: error});
      case 'EISDIR':
        throw new ThawError('MODEL_INVALID', `${path} is a folder, not an ONNX file`, facts, {cause: error});
      case 'EACCES':
      case 'EPERM':
        throw new ThawError('PERMISSION_DENIED', `${path} may not be read`, facts, {cause: error});
      default:
        throw new ThawError('MODEL_INVALID', `${path} cannot be read: ${(error as Error).message}`, facts, {
          cause: error,
        });
    }
  }
}

function parseModelFile(path: string, bytes: Buffer): ModelProto {
  if (bytes.length === 0) throw new ThawError('MODEL_INVALID', `${path} is empty`, {file: path, bytes: 0});
  try {
    return decodeModel(bytes);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    const looksLike = describe(bytes);
    if (looksLike !== null) throw notOnnx(path, looksLike, error);
    const {problem, offset} = error;
    throw new ThawError(
      'MODEL_INVALID',
      problem === 'cut'
        ? `${path} is cut off or damaged: at byte ${offset} of ${bytes.length}, ${error.message}`
        : `${path} is not an ONNX model, or is damaged: at byte ${offset} of ${bytes.length}, ${error.message}`,
      {file: path, bytes: bytes.length, offset},
      {cause: error},
    );
  }
}

function graphOf(path: string, bytes: Buffer, proto: ModelProto): GraphProto {
  if (proto.graph) return proto.graph;
  const looksLike = describe(bytes);
  if (looksLike !== null) throw notOnnx(path, looksLike);
  throw new ThawError('MODEL_INVALID', `${path} is not an ONNX model: it has no graph`, {file: path});
}

const describe = (bytes: Buffer): string | null =>
  describeContent(bytes.subarray(0, SNIFF_BYTES), bytes.subarray(-SNIFF_BYTES));

const notOnnx = (path: string, looksLike: string, cause?: unknown): ThawError =>
  new ThawError(
    'MODEL_INVALID',
    `${path} is not an ONNX model: it looks like ${looksLike}`,
    {file: path, looksLike},
    {cause},
  );

/** What a caller gives and gets: graph inputs that are not weights, and the outputs that are tensors. */
function interfaceOf(path: string, proto: ModelProto, graph: GraphProto): Pick<Model, 'inputs' | 'outputs'> {
  const weights = new Set(graph.initializer.map(({name}) => name));
  const inputs = graph.input
    .filter(({name}) => !weights.has(name))
    .map((value) => tensorInfo(path, 'input', value));
  // Maps and sequences, as scikit-learn's exporters add them, have no form as a tensor: they are not served.
  const tensors = graph.output.filter(({type}) => !isOtherThanTensor(type));
  const outputs = tensors.map((value) => tensorInfo(path, 'output', value));
  const facts = {file: path};
  if (graph.node.length === 0 && graph.output.length === 0 && proto.opset_import.length === 0) {
    throw new ThawError('MODEL_INVALID', `${path} is not an ONNX model: its graph is empty`, facts);
  }
  if (inputs.length === 0) throw new ThawError('MODEL_INVALID', `${path} has no inputs`, facts);
  if (graph.output.length === 0) throw new ThawError('MODEL_INVALID', `${path} has no outputs`, facts);
  if (outputs.length === 0) {
    const names = graph.output.map(({name}) => name ?? '');
    throw new ThawError('MODEL_UNSUPPORTED', `${path} has no output that is a tensor: ${names.join(', ')}`, {
      ...facts,
      outputs: names,
    });
  }
  return {inputs, outputs};
}

const isOtherThanTensor = (type: ValueInfoProto['type']): boolean =>
  type !== undefined &&
  (type.sequence_type ?? type.map_type ?? type.optional_type ?? type.sparse_tensor_type) !== undefined;

const TYPE_NAMES = new Map<number, TensorType>([
  [DATA_TYPE.FLOAT, 'FP32'],
  [DATA_TYPE.UINT8, 'UINT8'],
  [DATA_TYPE.INT8, 'INT8'],
  [DATA_TYPE.UINT16, 'UINT16'],
  [DATA_TYPE.INT16, 'INT16'],
  [DATA_TYPE.INT32, 'INT32'],
  [DATA_TYPE.INT64, 'INT64'],
  [DATA_TYPE.STRING, 'BYTES'],
  [DATA_TYPE.BOOL, 'BOOL'],
  [DATA_TYPE.FLOAT16, 'FP16'],
  [DATA_TYPE.DOUBLE, 'FP64'],
  [DATA_TYPE.UINT32, 'UINT32'],
  [DATA_TYPE.UINT64, 'UINT64'],
]);

function tensorInfo(path: string, role: 'input' | 'output', {name = '', type}: ValueInfoProto): TensorInfo {
  const facts = {file: path, [role]: name};
  if (name === '') throw new ThawError('MODEL_INVALID', `${path} has an ${role} without a name`, facts);
  if (isOtherThanTensor(type)) {
    throw new ThawError('MODEL_UNSUPPORTED', `${path}: ${role} ${name} is not a tensor`, facts);
  }
  const tensor = type?.tensor_type;
  if (!tensor) throw new ThawError('MODEL_INVALID', `${path}: ${role} ${name} has no type`, facts);
  const element = TYPE_NAMES.get(Number(tensor.elem_type ?? 0));
  if (element === undefined) {
    throw new ThawError(
      'MODEL_UNSUPPORTED',
      `${path}: ${role} ${name} has ONNX element type ${tensor.elem_type ?? 0}, which no request can carry`,
      {...facts, elementType: Number(tensor.elem_type ?? 0)},
    );
  }
  if (!tensor.shape && role === 'input') {
    throw new ThawError('MODEL_UNSUPPORTED', `${path}: input ${name} has no shape`, facts);
  }
  // What ONNX Runtime says of an output of unknown rank, too.
  const dims = tensor.shape?.dim ?? [];
  const shape = dims.map(({dim_value: size, dim_param: symbol}) =>
    typeof size === 'number' && size >= 0 ? size : symbol || UNNAMED,
  );
  return {name, type: element, shape};
}

/** Stands for a dimension that may vary and that the model gives no symbol. */
const UNNAMED = '?';

function opsetOf(proto: ModelProto): number {
  const own = proto.opset_import.find(({domain = ''}) => domain === '' || domain === 'ai.onnx');
  // A model that names none is from the time before there was a second one.
  return Number(own?.version ?? 1);
}

function countOperators(proto: ModelProto, graph: GraphProto): {[operator: string]: number} {
  const counts = new Map<string, number>();
  for (const nodes of [graph.node, ...proto.functions.map(({node}) => node)]) {
    for (const node of nodesWithin(nodes)) {
      counts.set(operatorOf(node), (counts.get(operatorOf(node)) ?? 0) + 1);
    }
  }
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The digest of the model file's bytes followed by those of each external data file, in order. */
async function digestOfFiles(
  bytes: Uint8Array,
  externalFiles: readonly ExternalFile[],
  signal?: AbortSignal,
): Promise<Digest> {
  const hash = createHash('sha256').update(bytes);
  for (const {path} of externalFiles) {
    for await (const chunk of createReadStream(path, {highWaterMark: 2 ** 20})) {
      if (signal) throwIfInterrupted(signal);
      hash.update(chunk as Buffer);
    }
  }
  return `sha256:${hash.digest('hex')}`;
}
