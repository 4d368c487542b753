import {join} from 'node:path';
import {throwIfInterrupted} from '../core/errors.ts';
import type {CompileJob, Compiler} from '../core/python.ts';
import {candidates} from './choose-python.ts';
import {inspectPython, minorOf, type Python, type Search} from './python.ts';
import type {Tools} from './tools.ts';

/**
 * Finds a Python of a minor version, for only that writes bytecode which this version reads.
 *
 * @param own an interpreter to try first; null: none
 * @returns null if there is none on this machine
 */
export async function createCompiler(
  version: string,
  tools: Pick<Tools, 'run' | 'signal' | 'programsDir' | 'env'> & {readonly python?: Python},
  own: string | null = null,
): Promise<Compiler | null> {
  const python = await findOf(version, tools, own);
  if (python === null) return null;
  const {run, signal, programsDir} = tools;
  return {
    version: python.version,
    tag: `cpython-${version.replace('.', '')}`,
    async compile(jobs) {
      if (jobs.length === 0) return;
      await run(python.executable, ['-S', '-s', join(programsDir, 'thaw_compile.py')], {
        signal,
        input: inputOf(jobs),
        env: {PYTHONHASHSEED: '0', PYTHONPATH: '', PYTHONOPTIMIZE: '', PYTHONDONTWRITEBYTECODE: '1'},
      });
      throwIfInterrupted(signal);
    },
  };
}

async function* inputOf(jobs: readonly CompileJob[]): AsyncIterable<Uint8Array> {
  yield Buffer.from(JSON.stringify(jobs));
}

async function findOf(
  version: string,
  tools: Search & {
    readonly env: {readonly [name: string]: string | undefined};
    readonly python?: Python;
  },
  own: string | null,
): Promise<Python | null> {
  const fits = (python: Python | null): python is Python =>
    python !== null && minorOf(python.version) === version && python.implementation !== 'PyPy';
  if (own !== null) {
    const python = await inspectPython(own, [], tools);
    if (fits(python)) return python;
  }
  if (tools.python !== undefined && fits(tools.python)) return tools.python;
  for (const command of await candidates(version, tools.env)) {
    const python = await inspectPython(command, [], tools);
    if (fits(python)) return python;
  }
  return null;
}
