import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {planDeploy, type DeployRequest} from '../../../src/cli/deploy-function.ts';
import {imageDir, imageRecipe} from '../../../src/cli/packaged-image.ts';
import {Terminal} from '../../../src/cli/terminal.ts';
import type {Config} from '../../../src/config/config.ts';
import {digestOf} from '../../../src/core/digest.ts';
import type {Limits} from '../../../src/core/driver.ts';
import {writeLayout} from '../../../src/image/layout.ts';
import {smallImage} from '../image/fixture.ts';

let dir: string;
let config: Config;
const {signal} = new AbortController();

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-limits-'));
  await writeFile(join(dir, 'model.onnx'), 'weights');
  const model = {path: join(dir, 'model.onnx'), calibration: null};
  config = {name: 'small', dir, model, handler: null} as unknown as Config;
  const {image, documents} = await smallImage(join(dir, 'cache'), 'weights');
  const sources = [{path: 'model.onnx', digest: digestOf('weights')}];
  const packaged = {...image, sources, recipe: imageRecipe(config, '0.1.0')};
  await writeLayout(packaged, documents, join(dir, 'cache'), imageDir(config), signal);
});
afterEach(async () => {
  await rm(dir, {recursive: true, force: true});
});

/** A deploy to a provider with some limits, which nobody has asked anything yet. */
function deployTo(limits: Pick<Limits, 'imageBytes' | 'platforms'>): DeployRequest {
  const site = {
    inspect: () => {
      throw new Error('the provider was asked');
    },
  };
  return {
    project: {config},
    provider: {driver: {name: 'somewhere', limits}, site, config: {settings: {secrets: {}}}},
    context: {thawVersion: '0.1.0'},
    terminal: new Terminal({json: true, quiet: true, verbose: false, color: false}),
  } as unknown as DeployRequest;
}

test('an image that a provider does not take is refused before the provider is asked anything', async () => {
  const tooLarge = deployTo({imageBytes: {compressed: null, unpacked: 1000}, platforms: ['linux/amd64']});
  await expect(planDeploy(tooLarge)).rejects.toMatchObject({
    code: 'IMAGE_TOO_LARGE',
    facts: {provider: 'somewhere', measure: 'unpacked', bytesMax: 1000},
  });
  const elsewhere = deployTo({imageBytes: {compressed: null, unpacked: null}, platforms: ['linux/arm64']});
  await expect(planDeploy(elsewhere)).rejects.toMatchObject({code: 'PLATFORM_UNSUPPORTED'});
});
