import {execFile} from 'node:child_process';
import {createHash} from 'node:crypto';
import {access, copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {tmpdir} from 'node:os';
import {delimiter, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import type {Platform} from '../../src/core/image.ts';
import {runCommand} from '../../src/docker/command-line.ts';
import {readElfLinks} from '../../src/image/elf-links.ts';
import {listFiles} from '../../src/image/python/compile-tree.ts';
import {planPackages} from '../../src/image/python/packages-layer.ts';
import {choosePython} from '../../src/python/choose-python.ts';
import {makeFunctionEnvironment} from '../../src/python/function-environment.ts';
import {lockPackages, type Lock} from '../../src/python/lock.ts';
import {bringPackages, type Packages} from '../../src/python/packages.ts';
import {minorOf} from '../../src/python/python.ts';
import {readRequirements} from '../../src/python/requirements.ts';
import type {Tools} from '../../src/python/tools.ts';

const exec = promisify(execFile);

const PATIENCE = {timeout: 600_000};
/** ELF's number for ARM of 64 bits. */
const AARCH64 = 183;
const programsDir = fileURLToPath(new URL('../../src/python/programs', import.meta.url));

/** An environment with uv, kept from run to run. */
async function uvFolder(): Promise<string> {
  const folder = join(process.env['THAW_TEST_CACHE'] ?? join(tmpdir(), 'thaw-test-cache'), 'uv');
  const bin = join(folder, process.platform === 'win32' ? 'Scripts' : 'bin');
  const isThere = await access(join(folder, 'whole')).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    await rm(folder, {recursive: true, force: true});
    await exec('python3', ['-m', 'venv', folder]);
    await exec(join(bin, 'python'), ['-m', 'pip', 'install', '--quiet', 'uv']);
    await writeFile(join(folder, 'whole'), '');
  }
  // Without its pip and python: uv alone is put before the rest of the PATH.
  const alone = join(folder, 'alone');
  await mkdir(alone, {recursive: true});
  await copyFile(join(bin, 'uv'), join(alone, 'uv'));
  return alone;
}

let uv: string;
let dir: string;
beforeAll(async () => {
  uv = await uvFolder();
}, PATIENCE.timeout);
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-python-packages-'));
  return () => rm(dir, {recursive: true, force: true});
});

/** Everything said, to look for what must not be. */
let heard: string[];
beforeEach(() => {
  heard = [];
});

/** Tools with uv on the PATH, or without; where the user has set nothing of an index. */
async function toolsWith(installer: 'pip' | 'uv', cacheDir = join(dir, 'cache')): Promise<Tools> {
  const own = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(?:PIP_FIND_LINKS|UV_)/.test(name)),
  );
  const path = (process.env['PATH'] ?? '').split(delimiter);
  const env = {
    ...own,
    PATH: [...(installer === 'uv' ? [uv] : []), ...path].join(delimiter),
    PIP_FIND_LINKS: '',
    PIP_RETRIES: '1',
  };
  const run: Tools['run'] = (program, args, options) =>
    program === 'uv' && installer === 'pip'
      ? Promise.resolve({exitCode: null, systemCode: 'ENOENT', stdout: '', stderr: ''})
      : runCommand(program === 'uv' ? join(uv, 'uv') : program, args, {
          ...options,
          env: {PIP_FIND_LINKS: '', PIP_RETRIES: '1', ...options.env},
        });
  const search = {run, signal: new AbortController().signal, programsDir, env};
  return {
    ...search,
    cacheDir,
    python: await choosePython({named: null, version: null, provided: []}, search),
    onStep: (step) => heard.push(step),
    onNote: (note) => heard.push(note),
    onOutput: (line) => heard.push(line),
  };
}

/** Locks the packages of requirements, and brings them if they are wanted. */
async function lockFor(
  tools: Tools,
  requirements: string,
  {
    platform = 'linux/arm64',
    version = minorOf(tools.python.version),
    provided = [],
  }: {platform?: Platform; version?: string; provided?: readonly string[]} = {},
): Promise<{lock: Lock; bring: () => Promise<Packages>}> {
  const projectDir = join(dir, 'project');
  await mkdir(projectDir, {recursive: true});
  await writeFile(join(projectDir, 'requirements.txt'), requirements);
  const read = await readRequirements(projectDir, null, async () => tools);
  const target = {platform, version, glibc: '2.36'};
  const lock = (await lockPackages(
    {projectDir, requirements: read, additions: [], provided, target},
    tools,
  ))!;
  return {
    lock,
    bring: () => bringPackages({lock: lock.text, options: read!.parts.options, projectDir}, tools),
  };
}

async function digestOfTree(tree: string): Promise<string> {
  const hash = createHash('sha256');
  for (const path of await listFiles(tree))
    hash
      .update(path)
      .update('\0')
      .update(await readFile(join(tree, path)));
  return hash.digest('hex');
}

const digests = new Map<string, string>();

describe.each(['pip', 'uv'] as const)('with %s', (installer) => {
  test(
    'packages for ARM hold libraries for ARM alone, the same ones each time, and are installed once',
    async () => {
      const tools = await toolsWith(installer);
      const {lock, bring} = await lockFor(tools, 'numpy==2.3.5\nonnxruntime==1.30.0\n');
      expect(lock.packages).toContainEqual({name: 'numpy', version: '2.3.5'});
      const packages = await bring();
      const libraries: (number | null)[] = [];
      for (const path of await listFiles(packages.dir)) {
        const links = await readElfLinks(join(packages.dir, path));
        if (links !== null) libraries.push(links.machine);
      }
      expect(libraries.length).toBeGreaterThan(10);
      expect(new Set(libraries)).toEqual(new Set([AARCH64]));
      const {entries} = await planPackages(packages.dir, {platform: 'linux/arm64', glibc: '2.36'});
      const paths = entries.map(({path}) => path.replace('opt/thaw/packages/', ''));
      expect(paths).toContain('numpy/__init__.py');
      expect(paths.some((path) => /numpy\/__pycache__\/__init__\.cpython-3\d+\.pyc$/.test(path))).toBe(true);
      expect(paths.filter((path) => /\.h$|^bin\/|numpy\/linalg\/tests\//.test(path))).toEqual([]);
      expect(paths.some((path) => path.startsWith('numpy/testing/'))).toBe(true);
      expect(packages.packages).toContainEqual({
        name: 'numpy',
        version: '2.3.5',
        license: expect.any(String) as string,
      });

      // Nobody is asked again: there is nothing to ask.
      const run: Tools['run'] = (program, args, options) =>
        args.some((arg) => arg.endsWith('thaw_inspect.py'))
          ? tools.run(program, args, options)
          : Promise.reject(new Error(`${program} ${args.join(' ')} was run`));
      const idle = {...tools, run};
      const again = await lockFor(idle, 'numpy==2.3.5\nonnxruntime==1.30.0\n');
      expect(again.lock.remembered).toBe(true);
      expect((await again.bring()).dir).toBe(packages.dir);

      const elsewhere = await toolsWith(installer, join(dir, 'other-cache'));
      const second = await (await lockFor(elsewhere, 'numpy==2.3.5\nonnxruntime==1.30.0\n')).bring();
      expect(second.dir).not.toBe(packages.dir);
      digests.set(installer, await digestOfTree(packages.dir));
      expect(await digestOfTree(second.dir)).toBe(digests.get(installer));
    },
    PATIENCE.timeout,
  );

  test.each([
    ['docopt==0.6.2', 'source-only', /docopt.* has no wheel for linux\/arm64/],
    ['pycocotools-windows', 'no-wheel', /pycocotools-windows has no wheel for linux\/arm64.*cp38/],
    ['thaw-has-no-such-package', 'no-package', /there is no package thaw-has-no-such-package/],
    ['six==1.16.0\nsix==1.15.0', 'conflict', /six==1\.1[56]\.0.*six==1\.1[56]\.0/],
    ['pandas==2.3.3\nnumpy==1.20.3', /^(?:conflict|no-wheel|no-package)$/, /numpy/],
  ])('%j is refused, and says why', async (requirements, reason, message) => {
    await expect(lockFor(await toolsWith(installer), `${requirements}\n`)).rejects.toMatchObject({
      code: 'PACKAGES_UNAVAILABLE',
      message: expect.stringMatching(message) as string,
      facts: {
        installer,
        reason: typeof reason === 'string' ? reason : (expect.stringMatching(reason) as string),
      },
    });
    expect(await readdir(join(dir, 'project'))).toEqual(['requirements.txt']);
  });

  test('what a package asks for is decided for the target, not for this machine', async () => {
    const {lock} = await lockFor(
      await toolsWith(installer),
      'six==1.16.0\ncolorama; sys_platform == "win32"\ntoml; platform_machine == "aarch64"\ntomli; platform_machine == "x86_64"\n',
    );
    expect(lock.packages.map(({name}) => name)).toEqual(['six', 'toml']);
  });

  test('a package that is only for a newer Python than this machine has is found for that one', async () => {
    const {lock} = await lockFor(await toolsWith(installer), 'numpy==2.5.5\n', {version: '3.14'});
    expect(lock).toMatchObject({packages: [{name: 'numpy', version: '2.5.5'}], target: {version: '3.14'}});
  });

  test('a file that is not what was locked is refused', async () => {
    const tools = await toolsWith(installer);
    const {lock} = await lockFor(tools, 'six==1.16.0\n');
    const altered = lock.text
      .replace(/sha256:[0-9a-f]{64}(?=\n|$| \\\n)/g, `sha256:${'0'.repeat(64)}`)
      .replace(/^# thaw sha256:0+/, lock.text.slice(0, '# thaw sha256:'.length + 64));
    await expect(bringPackages({lock: altered, options: [], projectDir: dir}, tools)).rejects.toMatchObject({
      facts: {reason: 'hash'},
    });
    expect(await readdir(join(dir, 'cache', 'python'))).toEqual([]);
  });
});

test('pip and uv give the same files', () => {
  expect(digests.size).toBe(2);
  expect(digests.get('uv')).toBe(digests.get('pip'));
});

describe('an index that wants a password', () => {
  const WHEEL = `
import base64, hashlib, sys, zipfile
files = {
    "thaw_demo/__init__.py": "ANSWER = 42\\n",
    "thaw_demo-1.0.dist-info/METADATA": "Metadata-Version: 2.1\\nName: thaw-demo\\nVersion: 1.0\\nLicense: MIT\\n",
    "thaw_demo-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
}
record = "thaw_demo-1.0.dist-info/RECORD"
lines = [f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},{len(text)}" for path, text in files.items()]
files[record] = "\\n".join([*lines, record + ",,", ""])
with zipfile.ZipFile(sys.argv[1], "w") as archive:
    for path, text in files.items():
        archive.writestr(path, text)
`;
  const NAME = 'thaw_demo-1.0-py3-none-any.whl';
  const PASSWORD = 'open-sesame-1';
  let server: Server;
  let folder: string;
  let served = 0;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'thaw-index-'));
    await exec('python3', ['-c', WHEEL, join(folder, NAME)]);
    const wheel = await readFile(join(folder, NAME));
    const digest = createHash('sha256').update(wheel).digest('hex');
    const expected = `Basic ${Buffer.from(`me:${PASSWORD}`).toString('base64')}`;
    server = createServer(({url = '', headers}, response) => {
      if (headers.authorization !== expected) {
        response.writeHead(401, {'www-authenticate': 'Basic realm="index"'}).end('no');
      } else if (url === '/simple/thaw-demo/') {
        response.writeHead(200, {'content-type': 'text/html'});
        response.end(
          `<!DOCTYPE html><html><body><a href="/files/${NAME}#sha256=${digest}">${NAME}</a></body></html>`,
        );
      } else if (url === `/files/${NAME}`) {
        served += 1;
        response.end(wheel);
      } else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    server.close();
    server.closeAllConnections();
    await rm(folder, {recursive: true, force: true});
  });
  const indexOf = (userInfo: string): string =>
    `--index-url http://${userInfo}127.0.0.1:${(server.address() as AddressInfo).port}/simple\nthaw-demo\n`;

  test.each(['pip', 'uv'] as const)(
    'gives %s what it asks for, and nobody reads the password',
    async (installer) => {
      const before = served;
      const {lock, bring} = await lockFor(await toolsWith(installer), indexOf(`me:${PASSWORD}@`));
      const {packages, dir: tree} = await bring();
      expect(packages).toEqual([{name: 'thaw-demo', version: '1.0', license: 'MIT'}]);
      expect(served).toBeGreaterThan(before);
      const texts = await Promise.all(
        (await listFiles(join(dir, 'cache'))).map((path) => readFile(join(dir, 'cache', path), 'latin1')),
      );
      for (const text of [lock.text, ...texts, ...heard]) expect(text).not.toContain(PASSWORD);
      expect((await listFiles(tree)).filter((path) => path.endsWith('.py'))).toEqual([
        'thaw_demo/__init__.py',
      ]);
    },
  );

  test.each(['pip', 'uv'] as const)(
    'does not let %s in with another, which nobody reads either',
    async (installer) => {
      const wrong = 'not-the-password-2';
      const failure = (await lockFor(await toolsWith(installer), indexOf(`me:${wrong}@`)).catch(
        (error: unknown) => error,
      )) as {message: string; facts: {reason: string}};
      expect(failure.facts.reason).toBe('credentials');
      expect(JSON.stringify([failure.message, failure.facts, heard])).not.toContain(wrong);
    },
  );

  test('makes an environment for a function with the very files of the image', async () => {
    const host: Platform = process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64';
    const tools = await toolsWith('pip');
    const requirements = indexOf(`me:${PASSWORD}@`);
    const {lock, bring} = await lockFor(tools, requirements, {platform: host});
    const {dir: tree} = await bring();
    const {python: _python, ...rest} = tools;
    const needs = {
      version: lock.target.version,
      platform: host,
      provided: [],
      // As it lies in the image: without the password, which is not needed any more.
      packages: {requirements: indexOf(''), lock: lock.text},
    };
    const made = await makeFunctionEnvironment(needs, {...rest, named: null});
    const {stdout} = await exec(join(made.dir, 'bin/python'), [
      '-c',
      'import thaw_demo; print(thaw_demo.ANSWER, thaw_demo.__file__)',
    ]);
    const [answer, file] = stdout.trim().split(' ');
    expect(answer).toBe('42');
    expect(await readFile(file!)).toEqual(await readFile(join(tree, 'thaw_demo', '__init__.py')));
    expect((await makeFunctionEnvironment(needs, {...rest, named: null})).dir).toBe(made.dir);
  });
});
