import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {gzipSync} from 'node:zlib';
import {pack} from 'tar-stream';
import {beforeEach, describe, expect, test} from 'vitest';
import {digestOf, type Digest} from '../../../../src/core/digest.ts';
import {ThawError} from '../../../../src/core/errors.ts';
import type {Compiler} from '../../../../src/core/python.ts';
import type {Base} from '../../../../src/image/base/base.ts';
import {listFiles} from '../../../../src/image/python/compile-tree.ts';
import {planInterpreter} from '../../../../src/image/python/interpreter-layer.ts';
import {INTERPRETERS, type InterpreterPins} from '../../../../src/image/python/interpreter-pins.ts';
import {openInterpreter, type InterpreterRequest} from '../../../../src/image/python/interpreter.ts';
import {isKeptInImages} from '../../../../src/image/python/stdlib.ts';
import {createFetchFile} from '../../../../src/net/fetch-file.ts';
import {elfOf, X86_64} from './elf.ts';

let dir: string;
let server: Server;
let address: string;
let asked: {url: string; authorization: string | undefined}[];
let archive: Buffer;
let answer: (url: string) => Buffer | null;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-interpreter-'));
  asked = [];
  archive = await archiveOf({
    'python/bin/python3.12': elfOf(X86_64, {needed: ['libpython3.12.so.1.0', 'libc.so.6']}),
    'python/bin/idle3.12': '#!/bin/sh',
    'python/include/Python.h': '',
    'python/lib/libpython3.12.so.1.0': elfOf(X86_64),
    'python/lib/libtcl8.6.so': elfOf(X86_64),
    'python/lib/python3.12/os.py': 'x = 1\n',
    'python/lib/python3.12/json/__init__.py': 'y = 2\n',
    'python/lib/python3.12/LICENSE.txt': 'PSF',
    'python/lib/python3.12/test/test_os.py': '',
    'python/lib/python3.12/tkinter/__init__.py': '',
    'python/lib/python3.12/site-packages/pip/__init__.py': '',
    'python/lib/python3.12/lib-dynload/_ssl.cpython-312-x86_64-linux-gnu.so': elfOf(X86_64),
    'python/lib/python3.12/lib-dynload/_tkinter.cpython-312-x86_64-linux-gnu.so': elfOf(X86_64),
    'python/share/man/man1/python.1': '',
  });
  answer = (url) => (url === '/mirror/2030/cpython.tar.gz' ? archive : null);
  server = createServer(({url = '', headers}, response) => {
    asked.push({url, authorization: headers.authorization});
    const body = answer(url);
    response.writeHead(body === null ? 404 : 200);
    response.end(body);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  address = `127.0.0.1:${(server.address() as AddressInfo).port}/mirror`;
  return async () => {
    server.close();
    server.closeAllConnections();
    await rm(dir, {recursive: true, force: true});
  };
});

async function archiveOf(files: {readonly [path: string]: string | Uint8Array}): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) {
    tar.entry({name, mode: name.includes('/bin/') ? 0o755 : 0o644}, Buffer.from(content));
  }
  tar.entry({name: 'python/bin/python3', type: 'symlink', linkname: 'python3.12'});
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return gzipSync(Buffer.concat(chunks));
}

const compiler: Compiler = {
  version: '3.12.1',
  tag: 'cpython-312',
  compile: async (jobs) => {
    for (const {target, name} of jobs) await writeFile(target, name);
  },
};
const pinsOf = (digest: Digest): InterpreterPins => {
  const pin = {version: '3.12.9', path: '2030/cpython.tar.gz', digest};
  return {'3.12': {'linux/amd64': pin, 'linux/arm64': pin}};
};
const HOST_BASE = {kind: 'host', glibc: '2.36'} as Base;
const withPythons = (...paths: readonly string[]): Base =>
  ({
    kind: 'registry',
    contents: {glibc: '2.36'},
    pythons: paths.map((path) => ({path, version: path.slice(path.lastIndexOf('python') + 'python'.length)})),
  }) as unknown as Base;

const open = (request: Partial<InterpreterRequest> = {}) =>
  openInterpreter({
    wish: 'auto',
    version: null,
    preferred: null,
    provided: [],
    platform: 'linux/amd64',
    base: HOST_BASE,
    inspectHost: async () => {
      throw new ThawError('PYTHON_UNAVAILABLE', 'this machine has none');
    },
    fetchFile: createFetchFile({}),
    createCompiler: async () => compiler,
    keepIn: join(dir, 'kept'),
    env: {THAW_PYTHON_MIRROR: `http://me:sesame@${address}/`},
    pins: pinsOf(digestOf(archive)),
    progress: () => undefined,
    signal: new AbortController().signal,
    ...request,
  });

describe('a relocatable build', () => {
  test('is fetched from the mirror once, and has what functions need of it, compiled', async () => {
    const progress: number[] = [];
    const found = await open({progress: (done) => progress.push(done)});
    expect(found).toMatchObject({
      kind: 'standalone',
      version: '3.12',
      fullVersion: '3.12.9',
      path: '/opt/thaw/python/bin/python3.12',
      env: {},
      localOnly: false,
      download: {digest: digestOf(archive)},
    });
    expect(progress.at(-1)).toBe(archive.length);
    expect(asked).toEqual([
      {
        url: '/mirror/2030/cpython.tar.gz',
        authorization: `Basic ${Buffer.from('me:sesame').toString('base64')}`,
      },
    ]);
    expect((await listFiles(found.dir!)).filter((path) => !/\/python3?$/.test(path))).toEqual([
      'bin/python3.12',
      'lib/libpython3.12.so.1.0',
      'lib/python3.12/LICENSE.txt',
      'lib/python3.12/__pycache__/os.cpython-312.pyc',
      'lib/python3.12/json/__init__.py',
      'lib/python3.12/json/__pycache__/__init__.cpython-312.pyc',
      'lib/python3.12/lib-dynload/_ssl.cpython-312-x86_64-linux-gnu.so',
      'lib/python3.12/os.py',
    ]);
    const compiled = join(found.dir!, 'lib/python3.12/__pycache__/os.cpython-312.pyc');
    expect(await readFile(compiled, 'utf8')).toBe('/opt/thaw/python/lib/python3.12/os.py');

    const again = await open();
    expect([again.dir, asked.length]).toEqual([found.dir, 1]);
    expect(await readdir(join(dir, 'kept'))).toHaveLength(1);
  });

  test('becomes the interpreter’s layer', async () => {
    const entries = await planInterpreter(await open());
    expect(entries.find(({path}) => path === 'opt/thaw/python/bin/python3.12')).toMatchObject({mode: 0o755});
    expect(entries.find(({path}) => path === 'opt/thaw/python/lib/python3.12/os.py')).toMatchObject({
      mode: 0o644,
    });
    if (process.platform !== 'win32') {
      expect(entries.find(({path}) => path.endsWith('/bin/python3'))).toEqual({
        kind: 'symlink',
        path: 'opt/thaw/python/bin/python3',
        target: 'python3.12',
      });
    }
  });

  test('is also read from a folder', async () => {
    const file = join(dir, '2030');
    const mirror = pathToFileURL(dir).href;
    await mkdir(file);
    await writeFile(join(file, 'cpython.tar.gz'), archive);
    expect(await open({env: {UV_PYTHON_INSTALL_MIRROR: mirror}})).toMatchObject({kind: 'standalone'});
    expect(asked).toEqual([]);
  });

  test('of other content is refused, and nothing of it stays', async () => {
    await expect(open({wish: 'standalone', pins: pinsOf(digestOf('else'))})).rejects.toMatchObject({
      code: 'CONTENT_MISMATCH',
      facts: {found: digestOf(archive)},
    });
    expect(await readdir(join(dir, 'kept'))).toEqual([]);
  });

  test.each([
    ['that is cut off', () => archive.subarray(0, archive.length >> 1)],
    ['that is no archive', () => Buffer.from('<html>')],
  ])('%s is refused', async (_what, bodyOf) => {
    const body = bodyOf();
    answer = () => body;
    await expect(open({wish: 'standalone', pins: pinsOf(digestOf(body))})).rejects.toMatchObject({
      code: 'FETCH_FAILED',
    });
    expect(await readdir(join(dir, 'kept'))).toEqual([]);
  });

  test('that cannot be had says where from, without the credentials', async () => {
    answer = () => null;
    const error = await open({wish: 'standalone'}).catch((reason: unknown) => reason as ThawError);
    expect(error).toMatchObject({
      code: 'FETCH_FAILED',
      message: expect.stringMatching(/the server answers 404$/) as string,
    });
    expect(JSON.stringify([(error as ThawError).message, (error as ThawError).facts])).not.toContain(
      'sesame',
    );
    server.close();
    server.closeAllConnections();
    await expect(open({wish: 'standalone'})).rejects.toMatchObject({code: 'FETCH_FAILED'});
  });

  test('is pinned for every version and platform by a digest of its own', () => {
    const pins = Object.values(INTERPRETERS).flatMap((platforms) => Object.values(platforms));
    expect(pins.length).toBeGreaterThanOrEqual(6);
    expect(new Set(pins.map(({digest}) => digest)).size).toBe(pins.length);
    for (const {digest, path, version} of pins) {
      expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(path).toContain(`/cpython-${version}%2B`);
    }
  });
});

describe('the choice of an interpreter', () => {
  test('is the base’s own first, of the version that is wanted', async () => {
    const base = withPythons('/usr/local/bin/python3.13', '/usr/bin/python3.11');
    expect(await open({base})).toMatchObject({kind: 'base', path: '/usr/local/bin/python3.13', dir: null});
    expect(await open({base, version: '3.11'})).toMatchObject({kind: 'base', path: '/usr/bin/python3.11'});
    expect(await open({base, version: '3.12'})).toMatchObject({kind: 'standalone'});
    expect(await planInterpreter({dir: null})).toEqual([]);
    await expect(open({wish: 'base', base, version: '3.12'})).rejects.toMatchObject({
      code: 'PYTHON_UNAVAILABLE',
      message: 'the base has no Python 3.12: it has /usr/local/bin/python3.13, /usr/bin/python3.11',
    });
    await expect(open({wish: 'base'})).rejects.toThrow('the base has no Python: it has none at all');
  });

  test('prefers the version of the user’s own Python, where there is a build of it', async () => {
    const pins = {...pinsOf(digestOf(archive)), '3.99': pinsOf(digestOf('x'))['3.12']!};
    expect(await open({pins, preferred: '3.12'})).toMatchObject({version: '3.12'});
    expect(await open({pins, preferred: '3.8'})).toMatchObject({version: '3.12'});
    await expect(open({wish: 'standalone', version: '3.8'})).rejects.toMatchObject({
      facts: {reason: 'version', known: ['3.12']},
    });
  });

  test('says both reasons where neither a build nor this machine’s own can be had', async () => {
    answer = () => null;
    await expect(open()).rejects.toMatchObject({
      code: 'FETCH_FAILED',
      message: expect.stringMatching(/404; and this machine has none$/) as string,
    });
  });

  test('is never a build where packages are expected to be there already', async () => {
    await expect(open({wish: 'standalone', provided: ['torch']})).rejects.toMatchObject({
      facts: {reason: 'provided', provided: ['torch']},
    });
    await expect(open({provided: ['torch']})).rejects.toThrow('this machine has none');
    expect(asked).toEqual([]);
  });
});

test.each([
  ['os.py', true],
  ['encodings/utf_8.py', true],
  ['lib-dynload/_json.cpython-311-x86_64-linux-gnu.so', true],
  ['unittest/mock.py', true],
  ['test/test_os.py', false],
  ['idlelib/run.py', false],
  ['ensurepip/_bundled/pip.whl', false],
  ['config-3.11-x86_64-linux-gnu/libpython3.11.a', false],
  ['lib-dynload/_testcapi.cpython-311-x86_64-linux-gnu.so', false],
  ['lib-dynload/xxlimited_35.cpython-311-x86_64-linux-gnu.so', false],
  ['distutils/command/wininst-10.0.exe', false],
  ['sitecustomize.py', false],
])('of the standard library, %s is kept: %s', (path, kept) => {
  expect(isKeptInImages(path)).toBe(kept);
});
