import {basename, dirname, join, posix} from 'node:path';
import {ThawError} from '../core/errors.ts';
import type {Json} from '../core/json.ts';
import type {Model, TensorInfo} from '../core/model.ts';
import {parseName, textFile, type PlannedFile, type ScaffoldPlan} from './plan.ts';

/** The user's own model, and what a project around it is made from. */
export interface WrapInputs {
  readonly name: string;
  /** The ONNX file; its external data files lie beside it, where the model says. */
  readonly modelPath: string;
  readonly modelInfo: Model;
  /** A request that the model answers, as it goes over the wire. */
  readonly sampleRequest: Json;
}

/**
 * The files of a project around the user's own ONNX file: a copy of the model, a `thaw.yaml` without a handler, and
 * a request that fits.
 *
 * @throws ThawError USAGE if the name is not valid, MODEL_UNSUPPORTED if the model's external data lies outside its
 *   own folder.
 */
export function planWrap(inputs: WrapInputs): ScaffoldPlan {
  const name = parseName(inputs.name);
  const {path: model, files} = planModelFiles(inputs.modelPath, inputs.modelInfo);
  return {
    name,
    files: [
      ...files,
      textFile('thaw.yaml', renderWrapConfig(name, model, inputs.modelInfo)),
      textFile('samples/request.json', `${JSON.stringify(inputs.sampleRequest)}\n`),
      textFile('README.md', renderWrapReadme(name, model, inputs.modelInfo)),
      textFile('.gitignore', '.thaw/\n'),
    ],
  };
}

/**
 * The files of a model in a project, with its external data, and the path that thaw.yaml names it by.
 *
 * @throws ThawError MODEL_UNSUPPORTED
 */
export function planModelFiles(
  modelPath: string,
  {externalData}: Pick<Model, 'externalData'>,
): {readonly path: string; readonly files: readonly PlannedFile[]} {
  const path = `model/${basename(modelPath)}`;
  return {
    path,
    files: [
      {path, copyOf: modelPath},
      ...externalData.map((location) => planExternalData(modelPath, location)),
    ],
  };
}

function planExternalData(modelPath: string, location: string): PlannedFile {
  const path = posix.normalize(location.replaceAll('\\', '/'));
  if (path.startsWith('../') || path.startsWith('/') || /^[a-z]:/i.test(path)) {
    throw new ThawError(
      'MODEL_UNSUPPORTED',
      `${modelPath} keeps data in ${location}, which is not in the model's own folder`,
      {file: modelPath, externalData: location},
    );
  }
  return {path: `model/${path}`, copyOf: join(dirname(modelPath), path)};
}

/** The `thaw.yaml` of a wrapped model, with its inputs and outputs as comments. */
function renderWrapConfig(name: string, model: string, {inputs, outputs}: Model): string {
  return `name: ${name}

${renderTensors('inputs', inputs)}
${renderTensors('outputs', outputs)}
model:
  path: ${renderYamlString(model)}
  quantize: auto # without calibration rows smaller forms are only measured, and the original is kept
  # calibration: model/calibration.jsonl # lines of ${renderRow(inputs)}

# handler: handler.mjs # export async function predict(input, {model, context}); without it requests are tensors

resources: {memory: 1Gi, timeout: 30s}
scaling: {max: 10}
warm: {min: 0, schedule: []} # instances kept ready; 0 costs nothing while idle

triggers: [{http: {auth: iam}}]

default: local # what a bare \`thaw deploy\` means
providers:
  local: {engine: auto, idleTimeout: 5m}
`;
}

/** A model's inputs or outputs as a YAML comment. */
export function renderTensors(title: string, infos: readonly TensorInfo[]): string {
  return [`# ${title}:`, ...infos.map((info) => `#   ${renderTensor(info)}`)].join('\n');
}

/** The README of a wrapped model. */
function renderWrapReadme(name: string, model: string, {inputs, outputs}: Model): string {
  const list = (infos: readonly TensorInfo[]) =>
    infos.map((info) => `- \`${renderTensor(info)}\``).join('\n');
  return `# ${name}

An endpoint around \`${model}\`. It speaks the Open Inference Protocol: a request names the model's inputs and gives
their values, the answer names its outputs.

\`\`\`
thaw package         # quantize the model, judge the result, build the image
thaw deploy local    # run it on this machine
thaw invoke local --data @samples/request.json
thaw benchmark local # what a cold and a warm request take
\`\`\`

Inputs:

${list(inputs)}

Outputs:

${list(outputs)}

\`samples/request.json\` fits the inputs in name, type and shape. Its values are made up: replace them by real ones.
`;
}

/** `features FP32 [batch, 20]` */
function renderTensor({name, type, shape}: TensorInfo): string {
  return `${oneLine(name)} ${type} [${shape.map((size) => oneLine(String(size))).join(', ')}]`;
}

/** What a line of calibration rows looks like: `{"features": […]}` */
function renderRow(inputs: readonly TensorInfo[]): string {
  return `{${inputs.map(({name}) => `${JSON.stringify(name)}: […]`).join(', ')}}`;
}

/** A model's names are its maker's: none of them may end a comment or a code span. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029`]+/gu, ' ');
}

/** A string as YAML takes it: plain where that is safe, else quoted as JSON, which YAML reads too. */
export function renderYamlString(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : JSON.stringify(text);
}
