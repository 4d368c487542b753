import {execFile} from 'node:child_process';
import {access, mkdir, rename, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';

const exec = promisify(execFile);

/** What the reference is: the quantizer of this very ONNX Runtime. */
const PACKAGES = ['onnxruntime==1.30.0', 'onnx==1.23.2', 'onnx-ir==1.1.0', 'numpy==2.4.6'];

/** A Python that has ONNX Runtime's own quantizer. */
export interface Python {
  /** The interpreter. */
  readonly file: string;
  /** Runs a program with some arguments and gives what it prints. */
  run(program: string, ...args: readonly string[]): Promise<string>;
}

/**
 * Makes an environment with the reference packages, outside of the tree, or takes the one that an earlier run made.
 *
 * @param more further packages, pinned
 */
export const openPython = (more: readonly string[] = []): Promise<Python> =>
  openEnvironment([...PACKAGES, ...more]);

/** An environment with some packages, pinned. It is kept for later runs. */
export async function openEnvironment(packages: readonly string[]): Promise<Python> {
  const name = packages.join('-').replaceAll(/[^\w.-]/g, '_');
  const folder = join(process.env.THAW_TEST_CACHE ?? join(tmpdir(), 'thaw-test-cache'), `python-${name}`);
  const python = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  if (!(await exists(join(folder, 'whole')))) {
    await rm(folder, {recursive: true, force: true});
    await mkdir(folder, {recursive: true});
    await exec('python3', ['-m', 'venv', folder]);
    const patient = ['--quiet', '--disable-pip-version-check', '--retries=10', '--timeout=60'];
    await exec(python, ['-m', 'pip', 'install', ...patient, ...packages]);
    await mkdir(join(folder, 'making'));
    await rename(join(folder, 'making'), join(folder, 'whole'));
  }
  return {
    file: python,
    async run(program, ...args) {
      const {stdout} = await exec(python, ['-c', program, ...args], {maxBuffer: 2 ** 30});
      return stdout;
    },
  };
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
