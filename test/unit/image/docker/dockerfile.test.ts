import {mkdir, readdir, readFile, stat, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, test} from 'vitest';
import type {BaseOrigin} from '../../../../src/core/image.ts';
import {buildImage} from '../../../../src/image/build.ts';
import {writeBuildContext} from '../../../../src/image/docker/context.ts';
import {renderDockerfile} from '../../../../src/image/docker/dockerfile.ts';
import {imageNames} from '../../../../src/image/docker/names.ts';
import {buildInputIn, failureOf, never, scratch} from '../fixture.ts';

const host: BaseOrigin = {kind: 'host', glibc: '2.36'};
const reference = `registry.example.com/base/cc@sha256:${'ab'.repeat(32)}`;
const registry: BaseOrigin = {kind: 'registry', reference, glibc: '2.36'};

const layer = (role: string) => ({role}) as never;
const image = {
  function: 'credit-scoring',
  platform: 'linux/amd64',
  layers: [layer('base'), layer('base'), layer('runtime'), layer('model'), layer('config')],
} as never;
const settings = {
  config: {
    Entrypoint: ['/opt/thaw/bin/node', 'a "quoted" word'],
    Env: ['PATH=/opt/thaw/bin:/bin', 'GREETING=a=b "$HOME" \\ c'],
    User: '65532:65532',
    WorkingDir: '/opt/thaw',
    Labels: {'thaw.function': 'credit-scoring'},
  },
};

/** The lines that are instructions. */
const instructions = (text: string): string[] =>
  text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

describe('a Dockerfile', () => {
  test('stacks the same layers and starts them in the same way', () => {
    expect(instructions(renderDockerfile(image, host, settings))).toEqual([
      'FROM scratch',
      'COPY --chown=0:0 base/ /',
      'COPY --chown=0:0 runtime/ /',
      'COPY --chown=0:0 model/ /',
      'COPY --chown=0:0 config/ /',
      'ENV PATH="/opt/thaw/bin:/bin"',
      'ENV GREETING="a=b \\"\\$HOME\\" \\\\ c"',
      'LABEL thaw.function="credit-scoring"',
      'USER 65532:65532',
      'WORKDIR /opt/thaw',
      'ENTRYPOINT ["/opt/thaw/bin/node","a \\"quoted\\" word"]',
    ]);
  });

  test('names a base from a registry by its digest, and does not copy it', () => {
    const lines = instructions(renderDockerfile(image, registry, settings));
    expect(lines.slice(0, 2)).toEqual([`FROM ${reference}`, 'COPY --chown=0:0 runtime/ /']);
  });
});

describe('a build context', () => {
  const build = async (folder: string) => buildImage(await buildInputIn(folder));

  test('holds beside the Dockerfile the very files of each layer', async () => {
    const folder = await scratch();
    const built = await build(folder);
    const contextDir = join(folder, 'project/.thaw/docker');
    await mkdir(contextDir, {recursive: true});
    await writeFile(join(contextDir, 'of-the-one-before'), '');
    await writeBuildContext(built, host, contextDir, never);
    expect((await readdir(contextDir)).toSorted()).toEqual(
      ['Dockerfile', 'base', 'config', 'handler', 'model', 'runtime'].toSorted(),
    );
    const read = async (path: string): Promise<string> => readFile(join(contextDir, path), 'utf8');
    expect(await read('model/opt/thaw/model/model.onnx')).toBe('weights');
    expect(await read('runtime/opt/thaw/runtime/server.cjs')).toBe('server()');
    expect(await read('Dockerfile')).toContain(
      'ENTRYPOINT ["/opt/thaw/bin/node","/opt/thaw/runtime/server.cjs"]',
    );
    const modeOf = async (path: string): Promise<number> =>
      (await stat(join(contextDir, path))).mode & 0o7777;
    expect(await modeOf('base/tmp')).toBe(0o1777);
    expect(await modeOf('runtime/opt/thaw/bin/node')).toBe(0o755);
    expect(await modeOf('model/opt/thaw/model/model.onnx')).toBe(0o644);
    expect((await readdir(join(folder, 'project/.thaw'))).toSorted()).toEqual(['docker', 'image']);
  });

  test('leaves a base from a registry to the builder', async () => {
    const folder = await scratch();
    const contextDir = join(folder, 'context');
    await writeBuildContext(await build(folder), registry, contextDir, never);
    expect(await readdir(contextDir)).not.toContain('base');
  });

  test('that is called off leaves the one before', async () => {
    const folder = await scratch();
    const built = await build(folder);
    const contextDir = join(folder, 'context');
    await mkdir(contextDir);
    await writeFile(join(contextDir, 'of-the-one-before'), '');
    const error = await failureOf(writeBuildContext(built, host, contextDir, AbortSignal.abort()));
    expect(error.code).toBe('INTERRUPTED');
    expect(await readdir(contextDir)).toEqual(['of-the-one-before']);
    expect((await readdir(folder)).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});

test('an image is called after its function, by a name that moves and one that stays', () => {
  expect(imageNames('credit-scoring', `sha256:${'0123456789ab'.padEnd(64, 'f')}`)).toEqual({
    latest: 'credit-scoring:latest',
    pinned: 'credit-scoring:0123456789ab',
  });
});
