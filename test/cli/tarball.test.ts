import {execFile} from 'node:child_process';
import {mkdir, mkdtemp, readdir, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {afterAll, beforeAll, expect, it} from 'vitest';
import {cacheDir} from '../onnxruntime.ts';
import {ROOT} from './thaw.ts';

const run = promisify(execFile);
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

/** The package as users get it: packed, and installed into a folder that knows nothing of this repository. */
let dir: string;
const thaw = async (...args: string[]): Promise<string> => {
  const env = {
    ...process.env,
    THAW_STATE_DIR: join(dir, 'state'),
    THAW_CACHE_DIR: cacheDir(),
    THAW_BASE: 'host',
    THAW_DOCKER: 'none',
  };
  const bin = join(dir, 'node_modules', 'thaw', 'bin', 'run.js');
  return (await run(process.execPath, [bin, ...args], {cwd: join(dir, 'work'), env})).stdout;
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-tarball-'));
  await run(npm, ['pack', '--pack-destination', dir, '--silent'], {cwd: ROOT});
  const tarball = (await readdir(dir)).find((name) => name.endsWith('.tgz')) ?? '';
  await writeFile(join(dir, 'package.json'), '{"private": true}');
  await run(npm, ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--silent', `./${tarball}`], {
    cwd: dir,
  });
  await mkdir(join(dir, 'work'));
});
afterAll(async () => {
  await thaw('destroy', 'local', '--yes', '--config', 'demo/thaw.yaml');
  await rm(dir, {recursive: true, force: true});
});

it('installs with nothing beside esbuild, and goes the whole way', async () => {
  const installed = await readdir(join(dir, 'node_modules'));
  expect(installed.filter((name) => !name.startsWith('.')).sort()).toEqual(['@esbuild', 'esbuild', 'thaw']);
  expect(await thaw('--version')).toMatch(/^thaw\/\d+\.\d+\.\d+ /);
  expect(await thaw('--help')).toContain('Usage: thaw COMMAND');
  await thaw('init', 'demo', '--template', 'tabular', '--yes');
  const config = ['--config', join('demo', 'thaw.yaml')];
  expect(await thaw('package', ...config)).toMatch(/^sha256:/);
  expect(await thaw('deploy', 'local', '--yes', ...config)).toMatch(/^local\thttp/);
  expect(JSON.parse(await thaw('invoke', 'local', ...config))).toMatchObject({risk: 'good'});
});

it('is a library too, with types', async () => {
  const program = `
    import {quantize, ThawError} from 'thaw';
    const error = await quantize('nothing.onnx').catch((error) => error);
    console.log(error instanceof ThawError, error.code);`;
  const args = ['--input-type=module', '--eval', program];
  expect((await run(process.execPath, args, {cwd: dir})).stdout).toBe('true MODEL_NOT_FOUND\n');
  await writeFile(
    join(dir, 'typed.mts'),
    `import {quantize, type Verdict} from 'thaw';
     export const judge = async (): Promise<Verdict> => (await quantize('m.onnx', {mode: 'int4'})).verdict;
     // @ts-expect-error there is no such mode
     await quantize('m.onnx', {mode: 'int3'});`,
  );
  const options = ['--ignoreConfig', '--noEmit', '--module', 'nodenext', '--target', 'es2023'];
  const types = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules', '@types')];
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  await run(process.execPath, [tsc, ...options, ...types, join(dir, 'typed.mts')]);
});
