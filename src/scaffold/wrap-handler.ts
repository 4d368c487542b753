import type {Model} from '../core/model.ts';
import {parseName, textFile, type PlannedFile, type ScaffoldPlan} from './plan.ts';
import {renderRequirements, type ImportedPackage} from './requirements.ts';
import {oneLine, renderTensors, renderYamlString} from './wrap.ts';

/** The user's own handler, and what a project around it is made from. */
export interface WrapHandlerInputs {
  readonly name: string;
  /** Relative to the project, with `/`. */
  readonly file: string;
  /** What serves in it. */
  readonly serving: {readonly name: string; readonly takes: 'event' | 'input'};
  /** What an HTTP request becomes for it; null if it takes no events. */
  readonly event: 'http' | 'direct' | null;
  /** The minor version that it was read as, such as `3.12`. */
  readonly pythonVersion: string;
  /** What a request's JSON is asked for. */
  readonly requestKeys: readonly string[];
  readonly packages: readonly ImportedPackage[];
  /** Where its packages are listed already; null: the list is made from what it imports. */
  readonly requirements: string | null;
  /** Files of the user's that belong into the project, and do not lie in it yet. */
  readonly files: readonly PlannedFile[];
  /** An ONNX model that the project declares, by its path in it. */
  readonly model: {readonly path: string; readonly info: Pick<Model, 'inputs' | 'outputs'>} | null;
}

/** Written whatever the user's own files are called. */
const CONFIG = 'thaw.yaml';

/**
 * The files of a project around a Python handler of the user's: it and what belongs to it as they are, a `thaw.yaml`,
 * the packages that it imports, and a request to fill in. A file of the user's is taken before one of thaw's.
 *
 * @throws ThawError USAGE if the name is not valid
 */
export function planWrapHandler(inputs: WrapHandlerInputs): ScaffoldPlan {
  const name = parseName(inputs.name);
  const own = inputs.files.filter(({path}) => path !== CONFIG);
  const ownPaths = new Set(own.map(({path}) => path));
  const added = [
    textFile(CONFIG, renderConfig(name, inputs)),
    ...(inputs.requirements === null
      ? [textFile('requirements.txt', renderRequirements(inputs.file, inputs.packages))]
      : []),
    textFile('samples/request.json', `${JSON.stringify(sampleOf(inputs.requestKeys), null, 2)}\n`),
    textFile('README.md', renderReadme(name, inputs)),
    textFile('.gitignore', '.thaw/\n.venv/\n__pycache__/\n'),
  ];
  return {name, files: [...own, ...added.filter(({path}) => !ownPaths.has(path))]};
}

const sampleOf = (keys: readonly string[]) => Object.fromEntries(keys.map((key) => [key, null]));

function renderConfig(name: string, inputs: WrapHandlerInputs): string {
  const {file, serving, event, pythonVersion, requirements, model} = inputs;
  const tensors =
    model &&
    `${renderTensors('inputs', model.info.inputs)}
${renderTensors('outputs', model.info.outputs)}
`;
  const declared = model
    ? `${tensors}model: # the handler has it as context.model
  path: ${renderYamlString(model.path)}
  quantize: auto # without calibration rows smaller forms are only measured, and the original is kept
  # calibration: model/calibration.jsonl # lines of inputs by name

`
    : '';
  // Found without being named, predict is given the request, whatever it calls that.
  const written = serving.name === 'predict' && serving.takes === 'input' ? file : `${file}:${serving.name}`;
  return `name: ${name}

${declared}handler: ${/^[\w./-]+(:\w+)?$/.test(written) ? written : JSON.stringify(written)}
python:
  version: '${pythonVersion}'
${event === null ? '' : `  event: ${event} # ${EVENT_COMMENTS[event]}\n`}  requirements: ${renderYamlString(requirements ?? 'requirements.txt')}
${
  model
    ? ''
    : `
# model: {path: model/model.onnx} # with it thaw quantizes an ONNX model and gives it to the handler as context.model
`
}
resources: {memory: 1Gi, timeout: 30s}
scaling: {max: 10}
warm: {min: 0, schedule: []} # instances kept ready; 0 costs nothing while idle

triggers: [{http: {auth: iam}}]

default: local # what a bare \`thaw deploy\` means
providers:
  local: {engine: auto, idleTimeout: 5m}
`;
}

const EVENT_COMMENTS = {
  http: 'a request becomes an event with its method, path, headers and body; direct: its JSON is the event',
  direct: "a request's JSON is the event; http: the event has its method, path, headers and body",
};

function renderReadme(name: string, inputs: WrapHandlerInputs): string {
  const {file, serving, event, requestKeys, requirements, model} = inputs;
  const packages = requirements ?? 'requirements.txt';
  return `# ${name}

An endpoint around \`${oneLine(serving.name)}\` in \`${oneLine(file)}\`, which is as it was. ${calledWith(event)}

\`\`\`
thaw package         # install the packages for the platform, build the image
thaw deploy local    # run it on this machine
thaw invoke local --data @samples/request.json
thaw benchmark local # what a cold and a warm request take
\`\`\`

${describeSample(requestKeys)}

${
  requirements === null
    ? `\`${packages}\` was made from what the handler imports, with the versions that were installed. Check it: a module that is imported by a name that is put together while it runs was not found.`
    : `The packages are those of \`${oneLine(packages)}\`.`
}
${model ? `\nThe handler is given \`${oneLine(model.path)}\` as \`context.model\`.\n` : ''}`;
}

function calledWith(event: 'http' | 'direct' | null): string {
  switch (event) {
    case 'http':
      return 'It is called with an event that has the method, path, headers and body of an HTTP request.';
    case 'direct':
      return "It is called with a request's JSON as its event.";
    default:
      return "It is called with a request's JSON.";
  }
}

function describeSample(keys: readonly string[]): string {
  const sample = '`samples/request.json`';
  if (keys.length === 0) return `${sample} is empty: put a request there that your handler answers.`;
  const names = keys.map((key) => `\`${oneLine(key)}\``).join(', ');
  return `${sample} has what the handler seems to look for, ${names}, without values: put real ones there.`;
}
