import type {EnvironmentPlan} from '../environment.ts';
import {isAtLeast, type Python} from '../python.ts';
import type {Source} from './source.ts';

/** What must be installed to convert a source with a Python, and where it is looked for. */
export interface PackagePlan extends EnvironmentPlan {
  /** Roughly, in megabytes, with what they depend on. */
  readonly downloadMb: number;
  /** What to say of the choice; empty if nothing. */
  readonly notes: readonly string[];
}

interface Pin {
  readonly version: string;
  /** Of the wheel alone. */
  readonly mb: number;
}

type PinSet = {readonly [name: string]: Pin};

/** Versions that were tested together. */
const CURRENT: PinSet = {
  onnx: {version: '1.23.2', mb: 9},
  onnxscript: {version: '0.7.2', mb: 1},
  torch: {version: '2.15.0', mb: 540},
  'scikit-learn': {version: '1.9.1', mb: 9},
  skl2onnx: {version: '1.20.0', mb: 1},
  onnxmltools: {version: '1.16.0', mb: 1},
  // onnxmltools needs it, and does not say so.
  packaging: {version: '25.0', mb: 1},
  xgboost: {version: '3.2.0', mb: 130},
  'xgboost-cpu': {version: '3.2.0', mb: 6},
  lightgbm: {version: '4.7.0', mb: 4},
  joblib: {version: '1.5.3', mb: 1},
  pandas: {version: '2.3.3', mb: 13},
};
/** The last ones for Python 3.10, where they differ. */
const FOR_3_10: PinSet = {...CURRENT, 'scikit-learn': {version: '1.7.2', mb: 10}};
/** The last ones for Python 3.9. */
const FOR_3_9: PinSet = {
  ...CURRENT,
  onnx: {version: '1.19.1', mb: 18},
  onnxscript: {version: '0.5.4', mb: 1},
  torch: {version: '2.8.0', mb: 890},
  'scikit-learn': {version: '1.6.1', mb: 13},
  skl2onnx: {version: '1.19.1', mb: 1},
  onnxmltools: {version: '1.14.0', mb: 1},
  xgboost: {version: '2.1.4', mb: 220},
  'xgboost-cpu': {version: '2.1.4', mb: 5},
  lightgbm: {version: '4.6.0', mb: 4},
};

function pinsFor({version}: Python): PinSet {
  if (isAtLeast(version, '3.11')) return CURRENT;
  return isAtLeast(version, '3.10') ? FOR_3_10 : FOR_3_9;
}

/** NumPy and SciPy, which all tabular models need, and NumPy alone. */
const SCIPY_MB = 52;
const NUMPY_MB = 17;
/** What the wheels of torch for Linux on x86-64 bring along for NVIDIA's cards. */
const CUDA_MB = 2500;
/** From this torch on, models are exported as graphs, which takes further packages. */
const GRAPH_EXPORT = '2.6';
/** From here on torch looks for onnx whatever it writes. */
const NEEDS_ONNX = '2.0';

/** Plans what to install. */
export function planPackages(source: Source, python: Python): PackagePlan {
  const planned = ['torchscript', 'exported-program', 'class'].includes(source.kind)
    ? planTorch(source, python)
    : planTabular(source, python);
  return {...planned, purpose: 'the converters'};
}

/** PyTorch's models are classes of the user's: what is found in their own Python is used. */
function planTorch(source: Source, python: Python): Omit<PackagePlan, 'purpose'> {
  const pins = pinsFor(python);
  const own = python.packages['torch'];
  const torch = own ?? pins['torch']!.version;
  const wanted = isAtLeast(torch, GRAPH_EXPORT)
    ? ['onnx', 'onnxscript']
    : isAtLeast(torch, NEEDS_ONNX)
      ? ['onnx']
      : [];
  const checkpoint = source.kind === 'class' ? source.checkpoint : null;
  if (checkpoint?.endsWith('.safetensors')) wanted.push('safetensors');
  const missing = wanted.filter((name) => python.packages[name] === undefined);
  const numpy = python.packages['numpy'] === undefined ? ['numpy'] : [];
  if (own !== undefined) {
    const names = [...missing, ...numpy];
    const notes = [`torch ${own} of your own Python is used`];
    return {install: requirements(names, pins), downloadMb: sizeOf(names, pins), ownPackages: true, notes};
  }
  const ownPackages = source.kind === 'class';
  const names = ['torch', 'numpy', ...(ownPackages ? missing : wanted)];
  const cuda = python.system === 'linux' && ['x86_64', 'AMD64'].includes(python.machine);
  return {
    install: requirements(names, pins),
    downloadMb: sizeOf(names, pins) + (cuda ? CUDA_MB : -340),
    ownPackages,
    notes: cuda
      ? [
          "torch for Linux brings NVIDIA's libraries along; an index of its CPU builds, set for pip, or a torch of your own, saves that",
        ]
      : [],
  };
}

function planTabular(source: Source, python: Python): Omit<PackagePlan, 'purpose'> {
  const pins = pinsFor(python);
  const libraries: readonly string[] = source.kind === 'pickle' ? source.libraries : [source.kind];
  const written = source.kind === 'pickle' ? source.sklearn : null;
  const boosted = libraries.filter((library) => library === 'xgboost' || library === 'lightgbm');
  const names = [
    'skl2onnx',
    'onnx',
    'joblib',
    ...(boosted.length > 0 ? ['onnxmltools', 'packaging'] : []),
    ...boosted.map((library) => (library === 'xgboost' ? xgboostFor(python) : library)),
    ...(libraries.includes('pandas') ? ['pandas'] : []),
  ];
  const sklearn = written ?? pins['scikit-learn']!.version;
  const numpy2 = source.kind === 'pickle' && source.numpy2 ? ['numpy>=2'] : [];
  return {
    install: [`scikit-learn==${sklearn}`, ...requirements(names, pins), ...numpy2],
    downloadMb: sizeOf([...names, 'scikit-learn'], pins) + SCIPY_MB,
    ownPackages: false,
    notes:
      written === null ? [] : [`scikit-learn ${written} wrote the file, so that is the one that reads it`],
  };
}

/** Without what is for graphics cards, where there is such a build. */
const xgboostFor = ({system, machine}: Python): string =>
  system === 'darwin' || !['x86_64', 'AMD64'].includes(machine) ? 'xgboost' : 'xgboost-cpu';

const requirements = (names: readonly string[], pins: PinSet): string[] =>
  names.map((name) => (pins[name] ? `${name}==${pins[name].version}` : name));

const sizeOf = (names: readonly string[], pins: PinSet): number =>
  names.reduce((sum, name) => sum + (name === 'numpy' ? NUMPY_MB : (pins[name]?.mb ?? 1)), 0);
