import {execFile} from 'node:child_process';
import {createHash} from 'node:crypto';
import {lstat, mkdtemp, readFile, realpath, rename, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {beforeEach, describe, expect, test} from 'vitest';
import {runCommand} from '../../src/docker/command-line.ts';
import {inspectHostBase} from '../../src/image/base/host.ts';
import {listFiles} from '../../src/image/python/compile-tree.ts';
import {openInterpreter, type Interpreter} from '../../src/image/python/interpreter.ts';
import {createFetchFile} from '../../src/net/fetch-file.ts';
import {candidates, choosePython} from '../../src/python/choose-python.ts';
import {createCompiler} from '../../src/python/compile.ts';
import {inspectHostInterpreter} from '../../src/python/host-interpreter.ts';
import {inspectPython, isNewEnough} from '../../src/python/python.ts';

const exec = promisify(execFile);

const PATIENCE = 600_000;
const search = {
  run: runCommand,
  signal: new AbortController().signal,
  programsDir: fileURLToPath(new URL('../../src/python/programs', import.meta.url)),
  env: process.env,
};
const platform = process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64';

/** Pythons of different makers, as far as there are some: the system's, and the first on the PATH. */
async function findPythons(): Promise<readonly (readonly [name: string, executable: string])[]> {
  const found = new Map<string, string>();
  for (const command of ['/usr/bin/python3', ...(await candidates(null, process.env))]) {
    const python = await inspectPython(command, [], search);
    if (python === null || !isNewEnough(python)) continue;
    found.set(await realpath(python.executable), `${python.executable} (${python.version})`);
  }
  return [...found].map(([executable, name]) => [name, executable] as const);
}
const pythons = process.platform === 'linux' ? await findPythons() : [];
const torch = await exec('/usr/bin/python3', ['-c', 'import torch']).then(
  () => true,
  () => false,
);

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-python-interpreter-'));
  return () => rm(dir, {recursive: true, force: true});
});

async function openHost(
  named: string,
  keepIn: string,
  provided: readonly string[] = [],
): Promise<Interpreter> {
  return openInterpreter({
    wish: 'host',
    version: null,
    preferred: null,
    provided,
    platform,
    base: await inspectHostBase(platform),
    inspectHost: async (version) => {
      const python = await choosePython({named, version, provided}, search);
      const quiet = {
        cacheDir: '',
        onStep: () => undefined,
        onNote: () => undefined,
        onOutput: () => undefined,
      };
      return inspectHostInterpreter(provided, {...search, ...quiet, python});
    },
    fetchFile: createFetchFile(),
    createCompiler: (version, own) => createCompiler(version, search, own),
    keepIn,
    env: {},
    progress: () => undefined,
    signal: search.signal,
  });
}

/** Runs a program with a copy of an interpreter, where nothing says that there is another Python on this machine. */
async function runWith({dir: tree, version, env}: Interpreter, program: string): Promise<string> {
  const library = env['LD_LIBRARY_PATH']?.replace('/opt/thaw/python', tree!);
  const {stdout} = await exec(join(tree!, 'bin', `python${version}`), ['-s', '-c', program], {
    cwd: '/',
    env: {HOME: '/nonexistent', ...(library && {LD_LIBRARY_PATH: library})},
  });
  return stdout;
}

async function digestOfTree(tree: string): Promise<string> {
  const hash = createHash('sha256');
  for (const path of await listFiles(tree)) {
    const isLink = (await lstat(join(tree, path))).isSymbolicLink();
    hash
      .update(path)
      .update('\0')
      .update(isLink ? '' : await readFile(join(tree, path)));
  }
  return hash.digest('hex');
}

const LOOK_AROUND = `
import asyncio, bz2, ctypes, decimal, hashlib, json, lzma, sqlite3, ssl, subprocess, sys, unittest, uuid, zoneinfo
with open(json.__spec__.cached, "rb") as file:
    flags = file.read(8)[4]
print(json.dumps({
    "prefix": sys.prefix,
    "path": [path for path in sys.path if path],
    "libraries": sorted({line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}),
    "uncheckedHash": flags,
    "child": subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout,
}))
`;
/** What the base has, not the interpreter. */
const OF_THE_BASE = /\/(?:ld-linux[^/]*|lib(?:c|m|dl|rt|pthread|util|stdc\+\+|gcc_s))[-.][^/]*$/;

describe.skipIf(pythons.length === 0)('a copy of this machine’s Python', () => {
  test.each(pythons)(
    '%s runs alone, with its own libraries and what was compiled, and comes out the same again',
    async (_name, executable) => {
      const interpreter = await openHost(executable, join(dir, 'one'));
      expect(interpreter).toMatchObject({kind: 'host', localOnly: true, download: null});
      // Where it was made it is no more.
      const tree = join(dir, 'moved');
      await rename(interpreter.dir!, tree);
      const found = JSON.parse(await runWith({...interpreter, dir: tree}, LOOK_AROUND)) as {
        prefix: string;
        path: readonly string[];
        libraries: readonly string[];
        uncheckedHash: number;
        child: string;
      };
      expect(found.prefix).toBe(tree);
      for (const path of found.path) expect(path).toMatch(new RegExp(`^${tree}/`));
      const foreign = found.libraries.filter((file) => !file.startsWith(tree) && !OF_THE_BASE.test(file));
      expect(foreign).toEqual([]);
      expect([found.uncheckedHash, found.child]).toEqual([1, '42\n']);
      expect((await listFiles(tree)).filter((path) => /\/(?:test|tkinter|idlelib)\//.test(path))).toEqual([]);

      const again = await openHost(executable, join(dir, 'two'));
      // The first one has run since: it writes no bytecode of its own, for there is some.
      expect(await digestOfTree(again.dir!)).toBe(await digestOfTree(tree));
    },
    PATIENCE,
  );

  test.skipIf(!torch)(
    'takes along the packages that it has, with all that they are linked to',
    async () => {
      const interpreter = await openHost('/usr/bin/python3', join(dir, 'kept'), ['torch']);
      const said = await runWith(
        interpreter,
        'import torch; print(torch.__file__, torch.nn.Linear(2, 1)(torch.ones(1, 2)).detach().numpy().shape)',
      );
      expect(said).toBe(
        `${join(interpreter.dir!, 'lib/python3.11/dist-packages/torch/__init__.py')} (1, 1)\n`,
      );
    },
    PATIENCE,
  );
});

describe.skipIf(pythons.length === 0)('the choice of a Python', () => {
  test('passes over shims that lead nowhere, and takes the version that is wanted where there is one', async () => {
    for (const [, executable] of pythons) {
      const known = (await inspectPython(executable, [], search))!;
      const version = known.version.split('.').slice(0, 2).join('.');
      const chosen = await choosePython({named: null, version, provided: []}, search);
      expect(chosen.version.startsWith(`${version}.`)).toBe(true);
    }
    const other = await choosePython({named: null, version: '3.99', provided: []}, search);
    expect(isNewEnough(other)).toBe(true);
    await expect(
      choosePython({named: null, version: null, provided: ['thaw-has-no-such-package']}, search),
    ).rejects.toMatchObject({code: 'PYTHON_UNAVAILABLE', facts: {reason: 'provided'}});
  });
});
