import type {ErrorCode} from '../core/errors.ts';
import type {Json, JsonObject} from '../core/json.ts';

type Advice = (facts: JsonObject) => readonly string[];

const text = (value: Json | undefined, fallback: string): string =>
  typeof value === 'string' ? value : fallback;
const list = (value: Json | undefined): string => (Array.isArray(value) ? value.join(', ') : '');

const SOCKET_ADVICE = [
  'Your user may not use the engine: add it to the group docker, or use a rootless engine.',
];
const registryAdvice = (engine: Json): readonly string[] => [
  `Sign in to the registry first: $ ${text(engine, 'docker')} login`,
];

const INPUT_SHAPE_ADVICE = [
  'Give each parameter of forward() its shape, the first size being the batch: --input-shape image=1,3,224,224:FP32',
];

const linesOf = (value: Json | undefined): readonly string[] =>
  Array.isArray(value) ? value.map((line) => `  ${String(line)}`) : [];

function conversionAdvice({
  reason,
  file,
  operator,
  module,
  known,
  name,
  lastLines,
  missing,
}: JsonObject): readonly string[] {
  const path = text(file, 'FILE');
  switch (reason) {
    case 'onnx':
      return [`$ thaw init my-function --model ${path}`];
    case 'checkpoint':
      return [
        'Name the class, or a function that makes it, and the shapes of its inputs:',
        `$ thaw convert my_package.my_module:MyModel --checkpoint ${path} --input-shape x=1,3,224,224:FP32`,
      ];
    case 'keras':
      return [
        'Export it from Keras 3 itself, with its own Python: model.export("model.onnx", format="onnx"); or, from a SavedModel:',
        '$ python3 -m tf2onnx.convert --saved-model FOLDER --output model.onnx',
      ];
    case 'tensorflow':
      return [
        '$ python3 -m pip install tf2onnx',
        `$ python3 -m tf2onnx.convert --saved-model ${path} --output model.onnx`,
      ];
    case 'unknown':
    case 'unknown-pickle':
      return ['docs/commands/convert.md lists what can be converted.'];
    case 'class-not-found':
      return Array.isArray(known) && known.length > 0 ? [`It has: ${list(known)}.`] : [];
    case 'class-arguments':
      return [
        'Write a function that makes the model, and name that:',
        `  def make_model(): return ${text(name, 'MyModel')}(…)`,
        `$ thaw convert ${text(module, 'my_module')}:make_model …`,
      ];
    case 'module-missing':
      return [
        typeof missing === 'string'
          ? `Name the Python that has ${missing}, or run this in the folder that it lies in: thaw convert … --python PATH`
          : 'Name the Python that has it: thaw convert … --python PATH',
      ];
    case 'checkpoint-mismatch':
      return ['Name the very class that was trained, with the arguments that it had.'];
    case 'unsupported':
      return [`Replace ${text(operator, 'it')} by operators that ONNX has, or try a newer one: --opset 18`];
    case 'torch-old':
      return ['Name a Python with a newer torch: thaw convert … --python PATH'];
    case 'wrong-inputs':
      return INPUT_SHAPE_ADVICE;
    case 'version':
      return ['Save the model again with the scikit-learn that trained it.'];
    case 'failed':
    case 'died':
      return linesOf(lastLines);
    default:
      return [];
  }
}

function handlerAdvice({reason, file, known, folder, text: source}: JsonObject): readonly string[] {
  const written = text(file, 'app.py');
  switch (reason) {
    case 'syntax':
      return [
        ...(typeof source === 'string' && source !== '' ? [`  ${source}`] : []),
        'If it is written for another Python, name that one: --python PATH, or python.version in thaw.yaml.',
      ];
    case 'none':
    case 'several':
    case 'name-missing': {
      // What others are made from mostly stands before them.
      const last = Array.isArray(known) ? known.at(-1) : undefined;
      if (typeof last !== 'string') return ['Name the file that holds the function or class that serves.'];
      return [`It has: ${list(known)}. Name the one that serves, such as ${written}:${last}`];
    }
    case 'nested':
      return [`$ thaw init ${text(folder, '.')} --handler ${written}`];
    case 'unreadable':
    case 'missing':
      return [];
    case 'no-python':
      return ['docs/commands/init.md says what can be wrapped.'];
    default:
      return ['A handler exports: async function predict(input, {model, context}).'];
  }
}

const OTHER_PYTHON =
  'Install Python 3.10 or newer, or name one: thaw convert … --python PATH, or THAW_PYTHON=PATH for every command.';

/** By the fact `reason`. */
const PYTHON_ADVICE: {readonly [reason: string]: string} = {
  base: 'Take another base, or let the image bring its own Python: python.interpreter: auto in thaw.yaml.',
  version: 'Set python.version in thaw.yaml to one of these.',
  host: 'Take python.interpreter: standalone, or a base that has Python.',
  provided:
    'Leave them out of python.provided in thaw.yaml to have them installed, or take a base that has them.',
};
const PACKAGES_ADVICE: {readonly [reason: string]: string} = {
  'no-wheel':
    'Ask for a version that has one, or set python.version or image.platform in thaw.yaml to what it is made for.',
  'source-only':
    'Build a wheel of it for the target (pip wheel, cibuildwheel), and name the folder with --find-links in the requirements.',
  'no-package':
    'Look at its spelling, and at the index: --index-url in the requirements, PIP_INDEX_URL or UV_INDEX_URL.',
  conflict: 'Loosen one of these versions.',
  credentials:
    'Give the index its user and password as pip and uv take them: in the address of the index, in ~/.netrc, or by keyring.',
  hash: 'If the change is meant, remove the lock and run the command again; if not, find out who altered the package.',
  unhashed: 'Have them all with hashes, or none: thaw locks hashes itself.',
  'no-installer': 'Install uv, or pip 22.2 or newer: $ python3 -m pip install --upgrade pip',
  poetry: 'Write a requirements.txt of it: $ poetry export -f requirements.txt -o requirements.txt',
  dynamic: 'Name a requirements.txt: python.requirements in thaw.yaml.',
  file: 'docs/python.md says which files are read.',
  processor: 'Its maker has tagged it wrong: ask for another version.',
  glibc: 'Take a newer base, or an older version of the package.',
  provided: 'Leave them out of python.provided in thaw.yaml to have them installed.',
};

/**
 * What to do about each error, in lines of which those that start with `$ ` can be pasted into a shell. A code
 * without advice does not compile.
 */
const ADVICE: {readonly [C in ErrorCode]: Advice} = {
  USAGE: ({suggestion, inputShape}) => {
    if (inputShape === true) return INPUT_SHAPE_ADVICE;
    return [typeof suggestion === 'string' ? `A valid name would be ${suggestion}.` : '$ thaw help'];
  },
  ANSWER_MISSING: ({flag}) => [`There is no terminal to ask at: give ${text(flag, 'the flag')}.`],
  FILE_EXISTS: ({flag}) => [
    flag === '--out'
      ? 'Name a file with --out: one that is named is replaced.'
      : 'Choose another folder, or move these files away first.',
  ],
  PROVIDER_UNKNOWN: ({known, offered}) =>
    typeof offered === 'string'
      ? [
          `Add it there, under "providers:"; docs/providers/${offered}.md describes every key:`,
          `  ${offered}: {}`,
        ]
      : [`Known providers: ${list(known)}.`],
  TEMPLATE_UNKNOWN: ({known}) => [`Known templates: ${list(known)}.`, '$ thaw init --list'],
  INPUT_INVALID: ({source, reference}) =>
    reference !== undefined
      ? ['A reference is HOST[:PORT]/PATH[:TAG], such as registry.example.com/team/credit-scoring:1.']
      : source === undefined
        ? []
        : ['Give the request as JSON, as @file, or as @- for standard input.'],
  CONFIG_NOT_FOUND: () => ['$ thaw init my-function --template tabular', 'Or name the file with --config.'],
  CONFIG_INVALID: () => ['Mend the lines above; docs/configuration.md describes every key.'],
  MODEL_NOT_FOUND: () => ['Name your ONNX file: in thaw.yaml it is model.path.'],
  MODEL_INVALID: ({looksLike}) => [
    typeof looksLike === 'string'
      ? `It looks like ${looksLike}: export it to ONNX first.`
      : 'Export the model to ONNX again and check that the file was copied whole.',
  ],
  MODEL_UNSUPPORTED: ({mode}) => [
    typeof mode === 'string'
      ? 'Take auto or none: model.quantize in thaw.yaml, or --mode of thaw quantize.'
      : 'docs/quantization.md says which models can be served.',
  ],
  CALIBRATION_INVALID: () => ['Each line is one JSON object: {"<input name>": [values of one row]}.'],
  CONVERSION_REFUSED: (facts) => conversionAdvice(facts),
  HANDLER_INVALID: (facts) => handlerAdvice(facts),
  SECRET_MISSING: ({names}) => [`$ export ${list(names).split(', ')[0] ?? 'NAME'}=…`],
  IMAGE_MISSING: () => ['$ thaw package'],
  IMAGE_STALE: () => ['$ thaw package'],
  // One that was pulled is not thaw's to build again.
  IMAGE_INVALID: ({reference, wanted}) =>
    wanted === 'base'
      ? ['docs/images.md says what a base must have.']
      : reference === undefined
        ? ['$ thaw package']
        : ['Choose another image.'],
  IMAGE_TOO_LARGE: ({largest, provider, option}) => [
    ...(typeof option === 'string'
      ? [
          `Set providers.${text(provider, '')}.${option} in thaw.yaml: docs/providers/${text(provider, '')}.md says to what.`,
        ]
      : []),
    largest === 'archive'
      ? `${typeof option === 'string' ? 'Or set' : 'Set'} providers.${text(provider, '')}.artifact to image in thaw.yaml: images may be larger.`
      : largest === 'model'
        ? 'Set model.quantize to auto in thaw.yaml, or choose a smaller model.'
        : 'Leave dependencies out of the handler, or choose a smaller model.',
  ],
  PLATFORM_UNSUPPORTED: () => ['docs/platforms.md says what works where.'],
  RUNTIME_UNAVAILABLE: () => ['$ npm run build'],
  PYTHON_UNAVAILABLE: ({reason, system, version}) => {
    if (reason !== 'no-venv') return [PYTHON_ADVICE[text(reason, '')] ?? OTHER_PYTHON];
    const minor = text(version, '3').split('.').slice(0, 2).join('.');
    return system === 'linux'
      ? [
          'Debian and Ubuntu keep environments in a package of their own:',
          `$ apt-get install python${minor}-venv`,
          'Or install uv, which needs none.',
        ]
      : ['Install Python with venv and pip, or uv, which needs neither.'];
  },
  PACKAGES_UNAVAILABLE: ({reason, lastLines}) => [
    ...(reason === 'failed' ? linesOf(lastLines) : []),
    {
      network:
        'Check the network; the index, proxy and certificates are those that pip itself is set up with: $ python3 -m pip config list',
      'no-match': 'Name a Python that the versions above were made for: thaw convert … --python python3.11',
      disk: 'Free some space, or move the cache to another disk: THAW_CACHE_DIR=/path',
      ...PACKAGES_ADVICE,
    }[text(reason, '')] ?? 'Run the command again with --verbose to see all that was said.',
  ],
  FETCH_FAILED: ({url}) =>
    url === undefined
      ? ['Check that npm itself reaches its registry:', '$ npm ping']
      : [
          'Name a mirror: THAW_PYTHON_MIRROR=ADDRESS; or take a base that has Python, or python.interpreter: host.',
        ],
  CREDENTIALS_MISSING: ({provider, registry, engine, reason}) => {
    if (reason === 'no-region') return ['Set the region in thaw.yaml, in the environment or in the profile.'];
    if (reason === 'clock') return ["Set this machine's clock, then run the command again."];
    if (reason === 'invalid' && typeof provider === 'string') {
      return [
        `$ thaw doctor ${provider}`,
        'It tells wrong credentials from a region that the account lacks.',
      ];
    }
    return engine !== undefined
      ? registryAdvice(engine)
      : typeof registry === 'string'
        ? [`$ docker login ${registry}`, 'podman login, skopeo login and credential helpers will do as well.']
        : [
            `Sign in with ${text(provider, 'the provider')}'s own tool, or set its variables in the environment.`,
          ];
  },
  PERMISSION_DENIED: ({registry, engine, reason, action, resource, provider}) => {
    if (typeof action === 'string') {
      return [
        `Have ${action} allowed on ${text(resource, 'it')}, then run the command again: it goes on where it stopped.`,
        `All that thaw needs: $ thaw doctor ${text(provider, '')} --policy`,
      ];
    }
    if (engine !== undefined) return reason === 'socket' ? SOCKET_ADVICE : registryAdvice(engine);
    return typeof registry === 'string'
      ? [
          'Check that the repository exists, and that you may push to it; then sign in again:',
          `$ docker login ${registry}`,
        ]
      : ['Check who owns the file or folder named above.'];
  },
  DISK_FULL: ({engine}) =>
    engine === undefined
      ? ['Free some space and run the command again: nothing half-written was left.']
      : [
          'It is the disk of the engine that is full. What it could do without:',
          `$ ${text(engine, 'docker')} system df`,
        ],
  ENGINE_UNAVAILABLE: ({engine, reason}) => {
    const command = text(engine, 'docker');
    switch (reason) {
      case 'no-command':
        return ['Install Docker, Podman or nerdctl, or name a command line: THAW_DOCKER=/path/to/docker.'];
      case 'no-context':
        return [`$ ${command} context ls`];
      default:
        return [
          'Start the engine, or say where it is with DOCKER_HOST or a context; this must answer:',
          `$ ${command} version`,
        ];
    }
  },
  ENGINE_REFUSED: () => [],
  DEPLOY_LOCKED: ({pid}) => [
    `Wait for the other command (process ${JSON.stringify(pid)}) to end, then run this one again.`,
  ],
  CHECK_FAILED: () => ['Each line above that failed says what to do.'],
  NOT_DEPLOYED: ({provider, versions}) =>
    versions === undefined ? [`$ thaw deploy ${text(provider, '')}`.trimEnd()] : ['$ thaw status --json'],
  PORT_IN_USE: () => ['Free the port, or set another (or none) under providers.local.port in thaw.yaml.'],
  PROVIDER_REFUSED: () => ['Run the command again with --verbose to see the whole answer.'],
  CONTENT_MISMATCH: () => [
    'Something between here and there alters or cuts what is sent: look at proxies, then run the command again.',
  ],
  PROVIDER_CONFLICT: ({provider, reason, what, ours, artifact, repository, tag}) => {
    if (reason === 'taken') {
      const other =
        'Give the function another name, or delete what is in its way yourself: thaw deletes only what it made.';
      if (what !== 'function') return [other];
      const adopt = 'To give that function new code, with nothing else of it changed:';
      return [other, adopt, `$ thaw deploy ${text(provider, '')} --adopt`];
    }
    if (reason === 'package-type') {
      const set = `Set providers.${text(provider, '')}.artifact to ${text(artifact, '')} in thaw.yaml.`;
      return ours === true ? [set, `Or delete it first: $ thaw destroy ${text(provider, '')}`] : [set];
    }
    if (reason === 'overlap')
      return [
        'Let one of the two be about other prefixes, suffixes or events, in thaw.yaml or in the bucket.',
      ];
    if (reason === 'mapped')
      return [
        'Delete that mapping, so that thaw makes one of its own, or leave its settings out of thaw.yaml.',
      ];
    if (reason === 'immutable-tag') {
      return [
        `Delete the tag ${text(tag, '')} in ${text(repository, 'the repository')}, or name another repository.`,
      ];
    }
    if (reason === 'adopt') return ['Deploy under another name, and thaw makes a function of its own.'];
    return ['Something else changed it at the same time: run the command again.'];
  },
  PROVIDER_UNREACHABLE: ({certificate, registry}) =>
    certificate === true
      ? [
          `Put the certificate of its authority into ~/.docker/certs.d/${text(registry, 'HOST')}/ca.crt, or name its file:`,
          '$ export SSL_CERT_FILE=ca.pem',
        ]
      : ['Check the network, then run the command again: it goes on where it stopped.'],
  WAIT_TIMED_OUT: ({provider}) => [`$ thaw status ${text(provider, '')}`.trimEnd()],
  INVOKE_FAILED: ({provider, status}) =>
    // Of a refused request the answer itself says why; the log says nothing.
    provider === undefined || (typeof status === 'number' && status < 500)
      ? []
      : [`$ thaw logs ${text(provider, '')}`],
  INSTANCE_FAILED: ({provider}) => [`$ thaw logs ${text(provider, '')}`.trimEnd()],
  INTERRUPTED: () => [],
};

const ANOTHER_BASE =
  'Name another base, such as a copy of the public one in a registry that can be reached: thaw package --base REF';

const PROCESSES_INSTEAD =
  'Or let processes run the function: providers.local.engine: process (or auto) in thaw.yaml.';

/** What the user can do about an error. */
export function hintsFor(code: ErrorCode, facts: JsonObject): readonly string[] {
  const advice = ADVICE[code](facts);
  if (facts['wanted'] === 'base') return [...advice, ANOTHER_BASE];
  return facts['wanted'] === 'containers' ? [...advice, PROCESSES_INSTEAD] : advice;
}
