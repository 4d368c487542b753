import {execFile} from 'node:child_process';
import {randomUUID} from 'node:crypto';
import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {expect} from 'vitest';
import {openContainerEngine} from '../../src/cli/container-engine.ts';
import type {Image} from '../../src/core/image.ts';
import type {ImageOnDisk} from '../../src/core/ports.ts';
import {unpackImage} from '../../src/image/unpack.ts';
import {containerNames} from '../../src/providers/local/container-names.ts';
import {pathsOf} from '../../src/providers/local/paths.ts';
import {NAME, type ContainerPlace} from '../providers/local/harness.ts';
import type {Bench, Ended} from '../cli/thaw.ts';
import type {TestDocker} from './docker.ts';

const run = promisify(execFile);

/** Ends the test if a run of the command line did not go well. */
export async function succeed(running: Promise<Ended>): Promise<Ended> {
  const ended = await running;
  expect(ended.code, ended.stderr + ended.stdout).toBe(0);
  return ended;
}

/** Makes a project of the tabular template, and writes a handler and lines of `thaw.yaml` of the test's own. */
export async function makeProject(
  bench: Bench,
  name: string,
  change: {readonly handler?: string; readonly yaml?: (text: string) => string} = {},
): Promise<void> {
  await succeed(bench.thaw(['init', name, '--template', 'tabular', '--yes']));
  const dir = join(bench.dir, name);
  const yamlFile = join(dir, 'thaw.yaml');
  const yaml = await readFile(yamlFile, 'utf8');
  await writeFile(
    yamlFile,
    (change.yaml ?? ((text) => text))(yaml.replace('engine: auto', 'engine: docker')),
  );
  if (change.handler !== undefined) await writeFile(join(dir, 'handler.mjs'), change.handler);
}

/** A handler whose code says which of two images it is in. */
export interface LabelledHandler {
  readonly template: string;
  readonly file: string;
  readonly line: (label: string) => string;
}

const JAVASCRIPT: LabelledHandler = {
  template: 'tabular',
  file: 'handler.mjs',
  line: (label) => `export const label = '${label}';`,
};

/** Packages two images of one model, which differ in their handlers. */
export async function packageTwo(
  bench: Bench,
  {template, file, line}: LabelledHandler,
): Promise<Pick<ContainerPlace, 'images' | 'request'>> {
  await succeed(bench.thaw(['init', NAME, '--template', template, '--yes']));
  const handlerFile = join(bench.dir, NAME, file);
  const handler = await readFile(handlerFile, 'utf8');
  const packaged = async (label: string): Promise<ImageOnDisk> => {
    await writeFile(handlerFile, `${handler}\n${line(label)}\n`);
    const layoutDir = join(bench.dir, `layout-${label}`);
    const args = ['package', '--json', '--out', layoutDir];
    const {stdout} = await succeed(bench.thaw(args, {cwd: NAME}));
    return {image: (JSON.parse(stdout) as {image: Image}).image, layoutDir};
  };
  const images = [await packaged('first'), await packaged('second')] as const;
  const body = await readFile(join(bench.dir, NAME, 'samples/request.json'));
  return {images, request: {body, contentType: 'application/json', timeoutMs: 60_000}};
}

/** Packages two images, and makes a place of an engine for the conformance suite. */
export async function openContainerPlace(
  bench: Bench,
  engine: TestDocker,
  handler: LabelledHandler = JAVASCRIPT,
): Promise<ContainerPlace> {
  const {images, request} = await packageTwo(bench, handler);
  const foreign = {tag: 'thaw-local/credit-scoring:0123456789ab.deadbeef', label: `foreign-${randomUUID()}`};

  const keyOf = (stateDir: string): string => containerNames(pathsOf(stateDir, NAME), NAME).key;
  const linesOf = async (...args: string[]): Promise<string[]> =>
    (await engine.docker(...args)).split('\n').filter((line) => line !== '');
  const imagesOf = async (): Promise<string[]> =>
    linesOf('images', '--format', '{{.Repository}}:{{.Tag}}', `thaw-local/${NAME}`);
  const containersOf = async (label: string): Promise<string[]> =>
    linesOf('ps', '--all', '--quiet', '--filter', `label=${label}`);

  return {
    images,
    options: {engine: 'docker'},
    request,
    ports: {openContainerEngine, unpackImage},
    async inventory() {
      const planted = await containersOf(`test=${foreign.label}`);
      return [...(await imagesOf()), ...planted.map(() => 'a foreign container')];
    },
    async plant() {
      const seed = `thaw-seed:${foreign.label.slice(-12)}`;
      const tar = join(bench.dir, 'seed.tar');
      await run('tar', ['-cf', tar, '-C', bench.dir, `layout-first/oci-layout`]);
      await engine.docker('import', tar, seed);
      await engine.docker('tag', seed, foreign.tag);
      await engine.docker('rmi', seed);
      const labels = ['--label', `test=${foreign.label}`, '--label', `thaw.function=${NAME}`];
      await engine.docker('create', ...labels, '--label', 'thaw.gateway=deadbeef', foreign.tag, '/nothing');
    },
    async close(stateDir) {
      const left = [...(await containersOf(`thaw.gateway=${keyOf(stateDir)}`))];
      const planted = await containersOf(`test=${foreign.label}`);
      for (const id of [...left, ...planted]) await engine.docker('rm', '--force', id).catch(() => undefined);
      for (const image of await imagesOf()) await engine.docker('rmi', '--force', image);
    },
  };
}
