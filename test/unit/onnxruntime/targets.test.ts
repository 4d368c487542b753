import {execFile} from 'node:child_process';
import {readdir} from 'node:fs/promises';
import {promisify} from 'node:util';
import {describe, expect, it} from 'vitest';
import {ThawError} from '../../../src/core/errors.ts';
import type {FetchPackage} from '../../../src/core/ports.ts';
import {ONNX_RUNTIME, onnxRuntimeFor, targetOf, type HostKind} from '../../../src/onnxruntime/index.ts';
import {ONNX_RUNTIME_ARCHIVE_BYTES} from '../../../src/onnxruntime/pins.ts';
import {fixture, RUNTIME_DIR} from '../../instance.ts';
import {hostOrt} from '../../onnxruntime.ts';

const refusal = (host: HostKind): ThawError => {
  try {
    return expect.fail(targetOf(host));
  } catch (error) {
    if (error instanceof ThawError) return error;
    throw error;
  }
};

describe('the binaries for a machine', () => {
  it.each<[HostKind, string]>([
    [{platform: 'linux', arch: 'x64', glibc: '2.28'}, 'linux/amd64'],
    [{platform: 'linux', arch: 'arm64', glibc: '2.41'}, 'linux/arm64'],
    [{platform: 'darwin', arch: 'arm64', glibc: null}, 'darwin/arm64'],
    [{platform: 'win32', arch: 'x64', glibc: null}, 'windows/amd64'],
    [{platform: 'win32', arch: 'arm64', glibc: null}, 'windows/arm64'],
  ])('%j are those of %s', (host, target) => {
    expect(targetOf(host)).toBe(target);
  });

  it.each<[string, HostKind, RegExp]>([
    ['an Intel Mac', {platform: 'darwin', arch: 'x64', glibc: null}, /Macs with an Intel processor/],
    ['musl', {platform: 'linux', arch: 'x64', glibc: null}, /needs glibc 2\.28 or later, .* has none/],
    ['an old glibc', {platform: 'linux', arch: 'x64', glibc: '2.17'}, /needs glibc 2\.28 .* has 2\.17/],
    ['another processor', {platform: 'linux', arch: 's390x', glibc: '2.36'}, /no binary for linux on s390x/],
    ['another system', {platform: 'freebsd', arch: 'x64', glibc: null}, /no binary for freebsd/],
  ])('do not exist for %s, which is said', (_what, host, words) => {
    expect(refusal(host)).toMatchObject({
      code: 'PLATFORM_UNSUPPORTED',
      message: expect.stringMatching(words),
      facts: {...host},
    });
  });

  it('are asked for by file, with progress in bytes of the archive', async () => {
    const asked: unknown[] = [];
    const fetchPackage: FetchPackage = async (pin, keep, progress) => {
      asked.push(pin, keep);
      progress(5, null);
      progress(ONNX_RUNTIME_ARCHIVE_BYTES + 2000, null);
      return '/cache/x';
    };
    const seen: unknown[] = [];
    const ort = await onnxRuntimeFor(
      'linux/arm64',
      fetchPackage,
      (done, total) => seen.push([done, total]),
      new AbortController().signal,
    );
    const folder = 'bin/napi-v6/linux/arm64';
    expect(asked).toEqual([
      ONNX_RUNTIME,
      [`${folder}/onnxruntime_binding.node`, `${folder}/libonnxruntime.so.1`],
    ]);
    expect(ort.dir.replaceAll('\\', '/')).toBe(`/cache/x/${folder}`);
    expect(seen).toEqual([
      [5, ONNX_RUNTIME_ARCHIVE_BYTES],
      [ONNX_RUNTIME_ARCHIVE_BYTES, ONNX_RUNTIME_ARCHIVE_BYTES],
    ]);
  });
});

describe('ONNX Runtime as it lies in the cache', () => {
  it('is two files, which load and predict in a fresh process', async () => {
    const ort = await hostOrt();
    expect(await readdir(ort.dir)).toHaveLength(2);
    const rows = [{features: {shape: [1, 4], data: [1, 2, 3, 4]}}];
    expect(
      await probe({model: fixture('linear.onnx'), onnxruntime: ort.dir, rows, wantOutputs: true}),
    ).toMatchObject({
      ok: true,
      loadMs: expect.any(Number),
      firstMs: expect.any(Number),
      warmMs: expect.any(Number),
      rssMb: expect.any(Number),
      inputs: [{name: 'features', type: 'FP32', shape: ['batch', 4]}],
      outputs: [{name: 'score', type: 'FP32', shape: ['batch', 1]}],
      rows: [{score: {type: 'FP32', shape: [1, 1], data: [30.5]}}],
    });
  });

  it('is measured without rows as well, and says what is wrong with a model', async () => {
    const {dir} = await hostOrt();
    const zeros = await probe({model: fixture('mlp.onnx'), onnxruntime: dir, warmCalls: 3});
    expect(zeros).toMatchObject({ok: true, rows: []});
    const broken = await probe({model: fixture('models.py'), onnxruntime: dir});
    expect(broken).toEqual({
      ok: false,
      code: 'MODEL_INVALID',
      message: expect.stringContaining('models.py'),
    });
    const wrong = await probe({model: fixture('linear.onnx'), onnxruntime: dir, rows: [{features: [1]}]});
    expect(wrong).toMatchObject({ok: false, message: expect.stringContaining('features')});
    const options = await probe({
      model: fixture('linear.onnx'),
      onnxruntime: dir,
      session: {graphOptimizationLevel: 'most'},
    });
    expect(options).toMatchObject({ok: false});
  });
});

async function probe(request: object): Promise<unknown> {
  const running = promisify(execFile)(process.execPath, [`${RUNTIME_DIR}/probe.cjs`]);
  running.child.stdin?.end(JSON.stringify(request));
  return JSON.parse((await running).stdout) as unknown;
}
