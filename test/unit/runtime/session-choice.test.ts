import {access, mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {inspectCpu} from '../../../src/model/cpu.ts';
import {fixture, layInstance, startServer, type InstanceParts} from '../../instance.ts';

const ROW = {inputs: [{name: 'features', shape: [1, 4], datatype: 'FP32', data: [1, 1, 1, 1]}]};

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-session-'));
});
afterEach(() => rm(dir, {recursive: true, force: true}));

/** Serves with options that leave a file behind where they are applied, and says what was done. */
async function serve(
  parts: Partial<InstanceParts> & {readonly cpu?: 'any' | 'vnni' | 'avx2' | 'arm64'; readonly more?: object},
): Promise<{readonly isShaped: boolean; readonly said: string}> {
  const {cpu = 'any', more = {}, ...rest} = parts;
  const trace = join(dir, 'optimized.onnx');
  const session = {graphOptimizationLevel: 'basic', optimizedModelFilePath: trace, ...more};
  const server = await startServer(
    await layInstance({model: fixture('linear.onnx'), shaped: {session, cpu}, ...rest}),
  );
  try {
    const answer = await fetch(server.url, {method: 'POST', body: JSON.stringify(ROW)});
    expect(((await answer.json()) as {outputs: {data: number[]}[]}).outputs[0]!.data).toEqual([10.5]);
    const isShaped = await access(trace).then(
      () => true,
      () => false,
    );
    const said = server.stdout.filter((line) => line.includes('plain options')).join('\n');
    return {isShaped, said};
  } finally {
    await server.stop();
  }
}

test('measured options are applied where ONNX Runtime is the one that measured', async () => {
  expect(await serve({})).toEqual({isShaped: true, said: ''});
});

test('with another ONNX Runtime the plain options are used, and the log says so', async () => {
  const {isShaped, said} = await serve({onnxruntime: '1.29.7'});
  expect(isShaped).toBe(false);
  expect(JSON.parse(said)).toMatchObject({
    level: 'info',
    message:
      'the model is loaded with plain options instead of the measured ones: ONNX Runtime is not 1.29.7, which they were measured with',
  });
});

test('on another kind of CPU the plain options are used, and the log says so', async () => {
  const elsewhere = process.arch === 'arm64' ? 'vnni' : 'arm64';
  const {isShaped, said} = await serve({cpu: elsewhere});
  expect(isShaped).toBe(false);
  expect(said).toContain(`this CPU is not ${elsewhere}`);
});

test('on a CPU of the kind they were measured for they are applied', async () => {
  expect(await serve({cpu: (await inspectCpu()).class})).toEqual({isShaped: true, said: ''});
});

test('options that ONNX Runtime refuses give way to the plain ones, and the log says so', async () => {
  const {said} = await serve({more: {optimizedModelFilePath: join(dir, 'nowhere', 'optimized.onnx')}});
  expect(said).toContain('with them it fails');
});
