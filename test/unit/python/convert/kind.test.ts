import {mkdir, mkdtemp, readFile, rm, truncate, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {sniffKind} from '../../../../src/python/convert/kind.ts';
import {fixture} from '../../../instance.ts';
import {compressed, pickleOf, writeZip} from './files.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-kind-'));
});
afterAll(() => rm(dir, {recursive: true, force: true}));

async function kindOf(name: string, content: Buffer | string): Promise<unknown> {
  const file = join(dir, name);
  await writeFile(file, content);
  return sniffKind(file);
}

test.each([
  ['TorchScript', ['net/data.pkl', 'net/constants.pkl', 'net/code/__torch__/net.py'], 'torchscript'],
  [
    'an exported program of today',
    ['p/archive_format', 'p/models/model.json', 'p/data/weights/w0'],
    'exported-program',
  ],
  ['one of torch 2.1', ['serialized_exported_program.json', 'version'], 'exported-program'],
  ['a state_dict', ['archive/data.pkl', 'archive/data/0', 'archive/version'], 'checkpoint'],
  ['Keras', ['metadata.json', 'config.json', 'model.weights.h5'], 'keras'],
  ['some zip', ['readme.txt'], 'unknown'],
])('a zip file is known by its members, not by its name: %s', async (_what, members, kind) => {
  const file = join(dir, 'some.bin');
  await writeZip(file, members);
  expect(await sniffKind(file)).toEqual({kind});
});

test('a zip file that was cut off is damaged', async () => {
  const file = join(dir, 'cut.pt');
  await writeZip(file, ['net/data.pkl', 'net/constants.pkl', 'net/code/net.py']);
  await truncate(file, (await readFile(file)).length - 30);
  expect(await sniffKind(file)).toEqual({kind: 'damaged'});
  expect(await kindOf('empty.pt', '')).toEqual({kind: 'damaged'});
});

test('a pickle tells its libraries and the scikit-learn that wrote it, compressed or not', async () => {
  const pickle = pickleOf(
    ['sklearn.pipeline', 'sklearn.linear_model._logistic', 'numpy._core.multiarray'],
    '1.4.1.post1',
  );
  const told = {kind: 'pickle', libraries: ['scikit-learn'], sklearn: '1.4.1.post1', numpy2: true};
  expect(await kindOf('a.pkl', pickle)).toEqual(told);
  expect(await kindOf('a.joblib', compressed(pickle))).toEqual(told);
});

test('classifiers of XGBoost and LightGBM are not taken for scikit-learn by the name of their module', async () => {
  const pickle = pickleOf(['xgboost.sklearn', 'lightgbm.sklearn', 'numpy.core.multiarray']);
  expect(await kindOf('b.pkl', pickle)).toEqual({
    kind: 'pickle',
    libraries: ['lightgbm', 'xgboost'],
    sklearn: null,
    numpy2: false,
  });
});

test('what pickles of protocol 2 write is found too, also where it crosses two pieces of the file', async () => {
  const old = Buffer.concat([
    Buffer.from([0x80, 2]),
    Buffer.from(`csklearn.linear_model\nRidge\n${' '.repeat(64 * 1024 - 40)}`),
    Buffer.from('X\x10\x00\x00\x00_sklearn_versionq\x05X\x05\x00\x00\x001.0.2.', 'latin1'),
  ]);
  expect(await kindOf('old.pkl', old)).toMatchObject({libraries: ['scikit-learn'], sklearn: '1.0.2'});
});

test.each([
  ['a checkpoint before zip files', Buffer.from([0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c]), 'checkpoint'],
  ['LightGBM', 'tree\nversion=v4\nnum_class=1\n', 'lightgbm'],
  ['XGBoost as JSON', '{"learner":{"attributes":{},"feature_names":[]},"version":[3,2,0]}', 'xgboost'],
  [
    'XGBoost as UBJSON',
    Buffer.from('{L\0\0\0\0\0\0\0\x07learner{L\0\0\0\0\0\0\0\x0aattributes{}', 'latin1'),
    'xgboost',
  ],
  ['other JSON', '{"learner_rate": 1}', 'unknown'],
  ['safetensors', Buffer.from('\x08\0\0\0\0\0\0\0{"a":{}}', 'latin1'), 'safetensors'],
  ['HDF5', Buffer.from('\x89HDF\r\n\x1a\n', 'latin1'), 'keras'],
  ['text', 'hello', 'unknown'],
])('%s is known by its first bytes', async (_what, content, kind) => {
  expect(await kindOf('file', content)).toEqual({kind});
});

test('ONNX is ONNX, and a folder with a SavedModel is TensorFlow', async () => {
  expect(await kindOf('renamed.bin', await readFile(fixture('mlp.onnx')))).toEqual({kind: 'onnx'});
  await mkdir(join(dir, 'saved'));
  await writeFile(join(dir, 'saved', 'saved_model.pb'), '');
  expect(await sniffKind(join(dir, 'saved'))).toEqual({kind: 'tensorflow'});
});

test('a file that is not there is said to be so', async () => {
  await expect(sniffKind(join(dir, 'none.pt'))).rejects.toMatchObject({code: 'MODEL_NOT_FOUND'});
});
