import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import type {JsonObject} from '../../core/json.ts';
import {ThawError} from '../../core/errors.ts';
import type {Environment} from '../environment.ts';
import type {InputShape} from './input-shape.ts';
import type {Running} from '../run.ts';
import {runConverter} from './run-converter.ts';
import type {Source} from './source.ts';

/** A tensor as the measuring program takes and gives it: what is not finite is null, large integers are text. */
export interface PlainTensor {
  readonly type: string;
  readonly shape: readonly number[];
  readonly data: readonly (number | boolean | string | null)[];
}
export type PlainRow = {readonly [name: string]: PlainTensor};

/** A converted model that nobody has checked yet. */
export interface Converted {
  /** The ONNX file, in the folder that was given. */
  readonly file: string;
  /** Inputs that were made up, and what the original gives for each: the same order. */
  readonly rows: readonly PlainRow[];
  readonly expected: readonly PlainRow[];
  /** Whether a dimension varies: rows are then of several sizes. */
  readonly varying: boolean;
  /** Of the libraries that took part. */
  readonly versions: {readonly [name: string]: string};
}

export interface ConvertRequest {
  readonly source: Source;
  readonly inputs: readonly InputShape[];
  readonly opset: number | null;
  /** Whether a batch may vary, if the model lets it. */
  readonly varying: boolean;
  readonly environment: Environment;
  readonly programsDir: string;
  /** A folder to write into. */
  readonly workDir: string;
}

/**
 * Converts a model by the user's Python and returns it with what it is to be held to.
 *
 * @throws ThawError CONVERSION_REFUSED, INTERRUPTED
 */
export async function convertModel(request: ConvertRequest, running: Running): Promise<Converted> {
  const {source, inputs, opset, varying, environment, programsDir, workDir} = request;
  const [file, rowsFile] = [join(workDir, 'model.onnx'), join(workDir, 'rows.json')];
  const torch = isTorch(source);
  const result = await runConverter(
    {...environment, programsDir, name: torch ? 'thaw_torch' : 'thaw_tabular'},
    {
      source: {...source},
      inputs: inputs as unknown as JsonObject[],
      opset,
      varying,
      out: file,
      rowsFile,
    },
    running,
  );
  const rows = JSON.parse(await readFile(rowsFile, 'utf8')) as Pick<Converted, 'rows' | 'expected'>;
  return {file, ...rows, ...(result as unknown as Pick<Converted, 'varying' | 'versions'>)};
}

const isTorch = ({kind}: Source): boolean => ['torchscript', 'exported-program', 'class'].includes(kind);

/**
 * Sees that the inputs are told where nothing else can tell them.
 *
 * @throws ThawError USAGE
 */
export function checkInputs(source: Source, inputs: readonly InputShape[]): void {
  if (inputs.length > 0 || !isTorch(source) || source.kind === 'exported-program') return;
  throw new ThawError('USAGE', 'a PyTorch model does not say what it takes: --input-shape is missing', {
    flag: '--input-shape',
    inputShape: true,
  });
}
