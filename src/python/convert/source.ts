import {stat} from 'node:fs/promises';
import {basename, extname} from 'node:path';
import {ThawError} from '../../core/errors.ts';
import {sniffKind, type FileKind, type Pickle} from './kind.ts';

/** A model that can be converted, as it is told to the converting program. */
export type Source =
  | {readonly kind: 'torchscript' | 'exported-program' | 'xgboost' | 'lightgbm'; readonly file: string}
  | ({readonly kind: 'pickle'; readonly file: string} & Pickle)
  | {
      readonly kind: 'class';
      readonly module: string;
      readonly name: string;
      readonly checkpoint: string | null;
    };

/** Something like `package.module:Class`, or `path/to/file.py:make_model`. */
const MODULE_AND_NAME = /^(?<module>(?:[\w.]+|.+\.py)):(?<name>[A-Za-z_][\w.]*)$/;

/**
 * Finds out what shall be converted.
 *
 * @param text a path, or a module and a class or function in it
 * @param checkpoint a file of weights for the class
 * @throws ThawError MODEL_NOT_FOUND, PERMISSION_DENIED, USAGE; CONVERSION_REFUSED for what thaw does not convert, with
 * the fact `reason`
 */
export async function readSource(text: string, checkpoint: string | null): Promise<Source> {
  const {module, name} = MODULE_AND_NAME.exec(text)?.groups ?? {};
  if (module !== undefined && name !== undefined && !(await exists(text))) {
    if (checkpoint !== null) await checkCheckpoint(checkpoint);
    return {kind: 'class', module, name, checkpoint};
  }
  if (checkpoint !== null) {
    const message = `--checkpoint goes with a class, MODULE:CLASS, and ${text} is none`;
    throw new ThawError('USAGE', message, {flag: '--checkpoint'});
  }
  return sourceOf(text, await sniffKind(text));
}

function sourceOf(file: string, found: FileKind): Source {
  const refuse = (reason: string, what: string): ThawError =>
    new ThawError('CONVERSION_REFUSED', `${file} ${what}`, {reason, file});
  switch (found.kind) {
    case 'torchscript':
    case 'exported-program':
    case 'xgboost':
    case 'lightgbm':
      return {kind: found.kind, file};
    case 'pickle':
      if (found.libraries.length === 0) {
        throw refuse(
          'unknown-pickle',
          'is a pickle that names no class of scikit-learn, XGBoost or LightGBM',
        );
      }
      return {...found, file};
    case 'onnx':
      throw refuse('onnx', 'is an ONNX model already');
    case 'checkpoint':
      throw refuse('checkpoint', 'holds weights, not the class that they belong to');
    case 'safetensors':
      throw refuse('checkpoint', 'holds weights alone, as safetensors, not the class that they belong to');
    case 'keras':
      throw refuse('keras', 'is a Keras model');
    case 'tensorflow':
      throw refuse('tensorflow', 'is a TensorFlow SavedModel');
    case 'damaged':
      throw new ThawError('MODEL_INVALID', `${file} is cut off or empty`, {file});
    default:
      throw refuse('unknown', 'is of no kind that thaw converts');
  }
}

/** The class's weights are read by Python; that they are there and of the right kind is seen before anything else. */
async function checkCheckpoint(file: string): Promise<void> {
  const {kind} = await sniffKind(file);
  if (['checkpoint', 'safetensors', 'pickle'].includes(kind)) return;
  const message =
    kind === 'damaged'
      ? `${file} is cut off or empty`
      : `${file} is no checkpoint: it holds no weights of PyTorch`;
  throw new ThawError('MODEL_INVALID', message, {file});
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Where the ONNX file goes if nobody says: the name of the source, in the folder that thaw runs in or beside it. */
export function defaultOut(source: Source): string {
  if (source.kind === 'class') return `${source.name.split('.').at(-1)!.toLowerCase()}.onnx`;
  const {file} = source;
  return `${file.slice(0, file.length - basename(file).length)}${basename(file, extname(file))}.onnx`;
}

/** What it is, for people. */
export function describeSource(source: Source): string {
  switch (source.kind) {
    case 'torchscript':
      return `${source.file}: a TorchScript model`;
    case 'exported-program':
      return `${source.file}: a PyTorch exported program`;
    case 'class':
      return `${source.module}:${source.name}, a PyTorch class or function${source.checkpoint === null ? '' : ` with the weights of ${source.checkpoint}`}`;
    case 'xgboost':
      return `${source.file}: an XGBoost model`;
    case 'lightgbm':
      return `${source.file}: a LightGBM model`;
    default: {
      const models = source.libraries.filter((library) => library !== 'pandas').join(' and ');
      return `${source.file}: a pickle of ${models}${source.sklearn === null ? '' : `, written by scikit-learn ${source.sklearn}`}`;
    }
  }
}

/** Whether reading the source can run code that came with it. */
export const runsCode = ({kind}: Source): boolean =>
  kind === 'pickle' || kind === 'class' || kind === 'torchscript';
