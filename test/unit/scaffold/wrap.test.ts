import {mkdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {parse} from 'yaml';
import {digestOf} from '../../../src/core/digest.ts';
import type {Model} from '../../../src/core/model.ts';
import {planWrap} from '../../../src/scaffold/wrap.ts';
import {writeScaffold} from '../../../src/scaffold/write.ts';
import {contentsOf, temporaryFolder} from './temporary-folder.ts';

const signal = new AbortController().signal;
const modelInfo: Model = {
  schema: 'thaw.model/1',
  digest: digestOf('model'),
  bytes: 5,
  opset: 17,
  inputs: [{name: 'pixels', type: 'FP32', shape: ['batch', 3, 224, 224]}],
  outputs: [{name: 'scores', type: 'FP32', shape: ['batch', 1000]}],
  operators: {MatMul: 1},
  externalData: [],
};
const sampleRequest = {inputs: [{name: 'pixels', datatype: 'FP32', shape: [1, 1], data: [0.5]}]};

describe("a project around the user's own model", () => {
  it('holds a copy of the model and its external data, and a thaw.yaml that names it', async () => {
    const dir = await temporaryFolder();
    await mkdir(join(dir, 'from', 'parts'), {recursive: true});
    await writeFile(join(dir, 'from', 'net.onnx'), 'model');
    await writeFile(join(dir, 'from', 'net.onnx.data'), 'weights');
    await writeFile(join(dir, 'from', 'parts', 'more.bin'), 'more');
    const plan = planWrap({
      name: 'my-net',
      modelPath: join(dir, 'from', 'net.onnx'),
      modelInfo: {...modelInfo, externalData: ['net.onnx.data', './parts/more.bin']},
      sampleRequest,
    });
    const project = join(dir, 'project');
    await writeScaffold(plan, project, {onConflict: 'refuse', signal});
    expect(await contentsOf(project)).toEqual([
      '.gitignore',
      'README.md',
      'model',
      'model/net.onnx',
      'model/net.onnx.data',
      'model/parts',
      'model/parts/more.bin',
      'samples',
      'samples/request.json',
      'thaw.yaml',
    ]);
    expect(await readFile(join(project, 'model', 'net.onnx.data'), 'utf8')).toBe('weights');
    expect(JSON.parse(await readFile(join(project, 'samples', 'request.json'), 'utf8'))).toEqual(
      sampleRequest,
    );
    const config = await readFile(join(project, 'thaw.yaml'), 'utf8');
    expect(parse(config)).toMatchObject({name: 'my-net', model: {path: 'model/net.onnx'}});
    expect(parse(config)).not.toHaveProperty('handler');
    expect(config).toContain('#   pixels FP32 [batch, 3, 224, 224]');
    expect(config).toContain('#   scores FP32 [batch, 1000]');
  });

  it('leaves a model alone that already lies where it belongs', async () => {
    const dir = await temporaryFolder();
    await mkdir(join(dir, 'model'));
    await writeFile(join(dir, 'model', 'net.onnx'), 'model');
    const plan = planWrap({
      name: 'my-net',
      modelPath: join(dir, 'model', 'net.onnx'),
      modelInfo,
      sampleRequest,
    });
    const {unchanged} = await writeScaffold(plan, dir, {onConflict: 'refuse', signal});
    expect(unchanged).toEqual(['model/net.onnx']);
  });

  it('compares a large model to the one that is there, to its last byte', async () => {
    const dir = await temporaryFolder();
    const bytes = Buffer.alloc(300_000, 7);
    await writeFile(join(dir, 'net.onnx'), bytes);
    await mkdir(join(dir, 'project', 'model'), {recursive: true});
    await writeFile(join(dir, 'project', 'model', 'net.onnx'), bytes);
    const plan = planWrap({name: 'my-net', modelPath: join(dir, 'net.onnx'), modelInfo, sampleRequest});
    const again = await writeScaffold(plan, join(dir, 'project'), {onConflict: 'refuse', signal});
    expect(again.unchanged).toEqual(['model/net.onnx']);

    bytes[bytes.length - 1] = 8;
    await writeFile(join(dir, 'net.onnx'), bytes);
    await expect(
      writeScaffold(plan, join(dir, 'project'), {onConflict: 'refuse', signal}),
    ).rejects.toMatchObject({
      facts: {files: ['model/net.onnx']},
    });
  });

  it('stays valid YAML whatever the file and the tensors are called', () => {
    const plan = planWrap({
      name: 'my-net',
      modelPath: join('some', 'my model: "v1" #2.onnx'),
      modelInfo: {
        ...modelInfo,
        inputs: [{name: 'evil\nname: other\u2028x', type: 'FP32', shape: ['n\r\nm']}],
      },
      sampleRequest,
    });
    const config = plan.files.find((file) => file.path === 'thaw.yaml');
    const text = config && 'content' in config ? new TextDecoder().decode(config.content) : '';
    expect(parse(text)).toMatchObject({
      name: 'my-net',
      model: {path: 'model/my model: "v1" #2.onnx'},
      default: 'local',
    });
  });

  it.each(['../secret', '/etc/passwd', 'a/../../b', 'C:\\data', '..\\up'])(
    'refuses external data outside of the model folder: %s',
    (location) => {
      expect(() =>
        planWrap({
          name: 'my-net',
          modelPath: 'net.onnx',
          modelInfo: {...modelInfo, externalData: [location]},
          sampleRequest,
        }),
      ).toThrow(
        expect.objectContaining({
          code: 'MODEL_UNSUPPORTED',
          facts: {file: 'net.onnx', externalData: location},
        }),
      );
    },
  );
});
