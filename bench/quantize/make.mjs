// node make.mjs BUNDLE MODE MODEL OUT ROWS PROBE ONNXRUNTIME: one quantization of thaw's, in a process of its own like
// every other tool's. Prints the session options that the result needs.
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {pathToFileURL} from 'node:url';

const [bundle, mode, path, out, rowsFile, probeFile, onnxruntimeDir] = process.argv.slice(2);
const thaw = await import(pathToFileURL(bundle).href);
const {signal} = new AbortController();

const source = await thaw.openModel(path);
const input = {
  model: source.proto,
  readExternal: thaw.createReadExternal(path),
  cpu: 'any',
  keepFloat: new Set(),
};
const modes = {
  dynamic: thaw.quantizeDynamic,
  weights: thaw.quantizeWeights,
  'int8-blocks': thaw.quantizeInt8Blocks,
  int4: thaw.quantizeInt4,
  fp16: thaw.quantizeFp16,
};
const result =
  mode === 'static' ? thaw.quantizeStatic({...input, ranges: await findRanges()}) : modes[mode](input);
if (result.failure !== null) throw new Error(result.failure);
await thaw.writeModel(result.model, path, out, signal);
console.log(JSON.stringify(result.session));

async function findRanges() {
  const rows = JSON.parse(await readFile(rowsFile, 'utf8'));
  const probe = thaw.createProbe({nodePath: process.execPath, probeFile, onnxruntimeDir, signal});
  const dir = await mkdtemp(join(dirname(out), 'ranges-'));
  try {
    const calibrated = await thaw.calibrate({source, rows, calibrator: 'min-max', probe, dir, signal});
    if (calibrated.failure !== null) throw new Error(calibrated.failure);
    return calibrated.ranges;
  } finally {
    await rm(dir, {recursive: true, force: true});
  }
}
