import {execFile} from 'node:child_process';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {identityModel} from '../../identity-model.ts';
import {RUNTIME_DIR} from '../../instance.ts';
import {hostOrt} from '../../onnxruntime.ts';

describe('every element type', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'thaw-types-'));
  });
  afterAll(async () => {
    await rm(dir, {recursive: true, force: true});
  });

  it.each<[string, number, unknown[]]>([
    ['FP32', 1, [0.5, -1]],
    ['UINT8', 2, [0, 255]],
    ['INT8', 3, [-128, 127]],
    ['UINT16', 4, [0, 65_535]],
    ['INT16', 5, [-32_768, 1]],
    ['INT32', 6, [-2_147_483_648, 1]],
    ['INT64', 7, [-5, '9223372036854775807']],
    ['BYTES', 8, ['grün', '']],
    ['BOOL', 9, [true, false]],
    ['FP16', 10, [0.5, -2]],
    ['FP64', 11, [0.1, 1e300]],
    ['UINT32', 12, [0, 4_294_967_295]],
    ['UINT64', 13, [7, '18446744073709551615']],
  ])('goes through ONNX Runtime unchanged: %s', async (type, elementType, data) => {
    const model = join(dir, `${type}.onnx`);
    await writeFile(model, identityModel(elementType));
    const onnxruntime = (await hostOrt()).dir;
    const running = promisify(execFile)(process.execPath, [join(RUNTIME_DIR, 'probe.cjs')]);
    const rows = [{x: {shape: [1, 2], data}}];
    running.child.stdin?.end(JSON.stringify({model, onnxruntime, rows, wantOutputs: true, warmCalls: 1}));
    expect(JSON.parse((await running).stdout)).toMatchObject({
      ok: true,
      inputs: [{name: 'x', type, shape: ['n', 2]}],
      rows: [{y: {type, shape: [1, 2], data}}],
    });
  });
});
