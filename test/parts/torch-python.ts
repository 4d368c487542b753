import {execFile} from 'node:child_process';
import {promisify} from 'node:util';

const exec = promisify(execFile);

/** A Python that has torch: the one that is named, the distribution's, or the first on the PATH. */
export async function findTorch(): Promise<{readonly python: string; readonly version: string} | null> {
  for (const python of [process.env['THAW_TEST_TORCH_PYTHON'], '/usr/bin/python3', 'python3']) {
    if (python === undefined) continue;
    const answer = await exec(python, ['-c', 'import torch; print(torch.__version__)']).catch(() => null);
    if (answer !== null) return {python, version: answer.stdout.trim()};
  }
  return null;
}
