import {expect, test} from 'vitest';
import {parseInputShape} from '../../../../src/python/convert/input-shape.ts';
import {planPackages} from '../../../../src/python/convert/packages.ts';
import {isAtLeast, type Python} from '../../../../src/python/python.ts';
import {defaultOut, type Source} from '../../../../src/python/convert/source.ts';

const PYTHON: Python = {
  command: 'python3',
  executable: '/usr/bin/python3',
  version: '3.12.1',
  implementation: 'CPython',
  machine: 'x86_64',
  system: 'linux',
  siteFolders: [],
  packages: {},
  hasVenv: true,
};
const PICKLE: Source = {
  kind: 'pickle',
  file: 'm.pkl',
  libraries: ['scikit-learn'],
  sklearn: '1.3.2',
  numpy2: false,
};
const CLASS: Source = {kind: 'class', module: 'nets', name: 'Net', checkpoint: null};

test('a first dimension of a plain size is the batch, and varies; names say themselves what varies', () => {
  expect(parseInputShape('image=1,3,224,224:FP32')).toEqual({
    name: 'image',
    type: 'FP32',
    shape: ['batch', 3, 224, 224],
    given: [1, 3, 224, 224],
  });
  expect(parseInputShape('tokens=1,length:int64')).toMatchObject({
    type: 'INT64',
    shape: [1, 'length'],
    given: [1, null],
  });
  expect(parseInputShape('state=16')).toMatchObject({type: 'FP32', shape: [16]});
  expect(parseInputShape('scale=')).toMatchObject({shape: []});
});

test.each([
  ['1,3,224', 'write it as name=1,3,224,224:FP32'],
  ['x=1,0,3', '"0" is neither a size nor a name for one'],
  ['x=1,-3', '"-3" is neither'],
  ['x=1,3:FLOAT', 'FLOAT is none of FP32'],
])('%s is no input', (text, message) => {
  expect(() => parseInputShape(text)).toThrow(message);
});

test('the scikit-learn that wrote a pickle reads it, whatever thaw would choose', () => {
  const {install, ownPackages, notes} = planPackages(PICKLE, PYTHON);
  expect(install[0]).toBe('scikit-learn==1.3.2');
  expect(install.every((each) => /^[\w-]+(==|>=)/.test(each))).toBe(true);
  expect(ownPackages).toBe(false);
  expect(notes.join()).toContain('1.3.2 wrote the file');
  expect(planPackages({...PICKLE, numpy2: true}, PYTHON).install).toContain('numpy>=2');
});

test('nothing is installed that a kind does not need', () => {
  const names = (source: Source, python = PYTHON): string[] =>
    planPackages(source, python).install.map((each) => each.split('=')[0]!);
  expect(names(PICKLE)).not.toContain('onnxmltools');
  expect(names({kind: 'lightgbm', file: 'm.txt'})).toEqual(
    expect.arrayContaining(['lightgbm', 'onnxmltools']),
  );
  expect(names({kind: 'xgboost', file: 'm.json'})).toContain('xgboost-cpu');
  expect(names({kind: 'xgboost', file: 'm.json'}, {...PYTHON, system: 'darwin', machine: 'arm64'})).toContain(
    'xgboost',
  );
});

test("the user's own torch is used, with what its exporter lacks", () => {
  const own = (torch: string, more = {}): Python => ({...PYTHON, packages: {torch, numpy: '2.0.0', ...more}});
  expect(planPackages(CLASS, own('1.13.0a0+git'))).toMatchObject({
    install: [],
    downloadMb: 0,
    ownPackages: true,
  });
  expect(planPackages(CLASS, own('2.3.1')).install.map((each) => each.split('=')[0])).toEqual(['onnx']);
  expect(planPackages(CLASS, own('2.15.0')).install.map((each) => each.split('=')[0])).toEqual([
    'onnx',
    'onnxscript',
  ]);
  expect(planPackages(CLASS, own('2.15.0', {onnx: '1.20.0', onnxscript: '0.5.0'})).install).toEqual([]);
});

test('without a torch, the size of what comes is said: with NVIDIA’s libraries on Linux, without them elsewhere', () => {
  const linux = planPackages(CLASS, PYTHON);
  expect(linux.install.map((each) => each.split('=')[0])).toEqual(['torch', 'numpy', 'onnx', 'onnxscript']);
  expect(linux.downloadMb).toBeGreaterThan(2500);
  expect(planPackages(CLASS, {...PYTHON, system: 'darwin', machine: 'arm64'}).downloadMb).toBeLessThan(400);
});

test('versions are compared by their numbers', () => {
  expect(isAtLeast('3.10.1', '3.9')).toBe(true);
  expect(isAtLeast('3.9.18', '3.10')).toBe(false);
  expect(isAtLeast('2.6.0+cpu', '2.6')).toBe(true);
  expect(isAtLeast('1.13.0a0+git', '2.0')).toBe(false);
});

test('the result is named after its source', () => {
  expect(defaultOut(CLASS)).toBe('net.onnx');
  expect(defaultOut({kind: 'torchscript', file: 'models/net.best.pt'})).toBe('models/net.best.onnx');
});
