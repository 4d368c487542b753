import {join} from 'node:path';
import {ThawError} from '../core/errors.ts';
import type {HostInterpreter} from '../core/python.ts';
import type {Tools} from './tools.ts';

/**
 * Finds where a Python of this machine has its parts, to make an image with it.
 *
 * @param provided names of packages that the image takes along, with what they need
 * @throws ThawError PYTHON_UNAVAILABLE with `reason: 'missing'`; INTERRUPTED
 */
export async function inspectHostInterpreter(
  provided: readonly string[],
  {run, signal, programsDir, python}: Tools,
): Promise<HostInterpreter> {
  const program = join(programsDir, 'thaw_interpreter.py');
  const {stdout, stderr, exitCode} = await run(python.command, [program, ...provided], {
    signal,
    env: {PYTHONIOENCODING: 'utf-8', PYTHONDONTWRITEBYTECODE: '1'},
  });
  if (exitCode === 0) return JSON.parse(stdout) as HostInterpreter;
  const message = `${python.command} does not say where its parts are: ${stderr.trim().split('\n').at(-1)}`;
  throw new ThawError('PYTHON_UNAVAILABLE', message, {reason: 'missing', python: python.command});
}
