import {spawn} from 'node:child_process';
import {createHash} from 'node:crypto';
import {once} from 'node:events';
import {chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile} from 'node:fs/promises';
import {createServer, type Server} from 'node:http';
import type {AddressInfo, Socket} from 'node:net';
import {tmpdir} from 'node:os';
import {delimiter, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {gzipSync} from 'node:zlib';
import {build} from 'esbuild';
import {pack, type Header} from 'tar-stream';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {ThawError} from '../../../src/core/errors.ts';
import type {PackagePin} from '../../../src/core/ports.ts';
import {createFetchPackage, parseNpmFailure} from '../../../src/net/npm-package.ts';

/** A registry on the loopback that knows one package. */
interface Registry {
  readonly url: string;
  readonly requests: string[];
  /** Resolves when a tarball is asked for and held back. */
  readonly held: Promise<Socket>;
  close(): Promise<void>;
}

const NAME = '@scope/engine';
const VERSION = '1.2.3';
const never = new AbortController().signal;
const quiet = (): void => undefined;

let scratch: string;
let registry: Registry | null;
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'thaw-fetch-'));
  registry = null;
});
afterEach(async () => {
  await registry?.close();
  await rm(scratch, {recursive: true, force: true, maxRetries: 5});
});

/** npm's archive of some files; a header may make of one what no honest package has. */
async function archiveOf(files: {[path: string]: string | Partial<Header>}): Promise<Buffer> {
  const tar = pack();
  for (const [path, content] of Object.entries(files)) {
    const name = path.startsWith('=') ? path.slice(1) : `package/${path}`;
    if (typeof content === 'string') tar.entry({name, mode: path.endsWith('.node') ? 0o755 : 0o644}, content);
    else tar.entry({name, ...content});
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return gzipSync(Buffer.concat(chunks));
}

const integrityOf = (archive: Buffer): string =>
  `sha512-${createHash('sha512').update(archive).digest('base64')}`;
const pinOf = (archive: Buffer): PackagePin => ({
  name: NAME,
  version: VERSION,
  integrity: integrityOf(archive),
});

async function openRegistry(archive: Buffer, {hold = false} = {}): Promise<Registry> {
  const requests: string[] = [];
  let release: (socket: Socket) => void = quiet;
  const held = new Promise<Socket>((resolve) => {
    release = resolve;
  });
  const server: Server = createServer((request, response) => {
    requests.push(request.url ?? '');
    const {port} = server.address() as AddressInfo;
    if (request.url?.endsWith('.tgz') === true) {
      response.writeHead(200, {'content-length': archive.length});
      if (hold) {
        response.write(archive.subarray(0, archive.length >> 1));
        release(request.socket);
      } else {
        response.end(archive);
      }
    } else if (decodeURIComponent(request.url ?? '') === `/${NAME}`) {
      const dist = {tarball: `http://127.0.0.1:${port}/engine.tgz`, integrity: integrityOf(archive)};
      const versions = {[VERSION]: {name: NAME, version: VERSION, dist}};
      response.end(JSON.stringify({name: NAME, 'dist-tags': {latest: VERSION}, versions}));
    } else {
      response.writeHead(404).end('{}');
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests,
    held,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close').catch(quiet);
    },
  };
}

/** The environment of a user whose npm is set to a registry. */
function userEnv(url = 'http://127.0.0.1:9/'): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    PATHEXT: process.env['PATHEXT'],
    SystemRoot: process.env['SystemRoot'],
    HOME: scratch,
    npm_config_cache: join(scratch, 'user-npm-cache'),
    npm_config_registry: url,
    npm_config_fetch_retries: '0',
  };
}

const cacheDir = (): string => join(scratch, 'cache');
const fetcher = (env: NodeJS.ProcessEnv) => createFetchPackage({cacheDir: cacheDir(), env});

/** Everything under a folder, by path. */
async function listing(dir: string): Promise<string[]> {
  const entries = await readdir(dir, {recursive: true, withFileTypes: true}).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(dir.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort();
}

async function failureOf(promise: Promise<unknown>): Promise<ThawError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ThawError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('a package', () => {
  it('is fetched through npm once, and only the wanted files are kept', async () => {
    const archive = await archiveOf({
      'package.json': '{}',
      'bin/linux/engine.node': 'native',
      'bin/linux/lib.so': 'library',
      'bin/linux-old/lib.so': 'old',
      'bin/win32/lib.dll': 'dll',
      'bin/win32/link': {type: 'symlink', linkname: 'lib.dll'},
    });
    registry = await openRegistry(archive);
    const seen: (number | null)[] = [];
    const fetchPackage = fetcher(userEnv(registry.url));
    const dir = await fetchPackage(pinOf(archive), ['bin/linux'], (done) => seen.push(done), never);

    expect(await listing(dir)).toEqual(['bin/linux/engine.node', 'bin/linux/lib.so']);
    expect(await readFile(join(dir, 'bin/linux/lib.so'), 'utf8')).toBe('library');
    if (process.platform !== 'win32') {
      expect((await stat(join(dir, 'bin/linux/engine.node'))).mode & 0o777).toBe(0o755);
      expect((await stat(join(dir, 'bin/linux/lib.so'))).mode & 0o777).toBe(0o644);
    }
    expect(await readdir(join(cacheDir(), 'packages'))).toEqual([
      expect.stringMatching(/^@scope\+engine-1\.2\.3-[0-9a-f]{12}$/),
    ]);
    expect(seen).toEqual(seen.toSorted((a, b) => Number(a) - Number(b)));

    const asked = registry.requests.length;
    expect(await fetchPackage(pinOf(archive), ['bin/linux'], quiet, never)).toBe(dir);
    expect(registry.requests.length).toBe(asked);
    const single = await fetchPackage(pinOf(archive), ['bin/linux/lib.so'], quiet, never);
    expect(single).not.toBe(dir);
    expect(await listing(single)).toEqual(['bin/linux/lib.so']);
  });

  it("comes from the user's own npm cache if it is there", async () => {
    const archive = await archiveOf({'lib.so': 'library'});
    registry = await openRegistry(archive);
    const env = userEnv(registry.url);
    const npm = spawn('npm', ['cache', 'add', `${NAME}@${VERSION}`], {
      env,
      stdio: 'ignore',
      shell: process.platform === 'win32',
    });
    expect((await once(npm, 'close'))[0]).toBe(0);
    await registry.close();
    const dir = await fetcher(env)(pinOf(archive), ['lib.so'], quiet, never);
    expect(await listing(dir)).toEqual(['lib.so']);
  });

  it('may be fetched by several at once, and leaves no litter', async () => {
    const archive = await archiveOf({'lib.so': 'library'});
    registry = await openRegistry(archive);
    const fetchPackage = fetcher(userEnv(registry.url));
    const dirs = await Promise.all(
      [1, 2, 3].map(() => fetchPackage(pinOf(archive), ['lib.so'], quiet, never)),
    );
    expect(new Set(dirs).size).toBe(1);
    expect(await listing(cacheDir())).toEqual([expect.stringMatching(/lib\.so$/)]);
    expect(await readdir(join(cacheDir(), 'packages'))).toHaveLength(1);
  });

  it('is fetched anew after a process was killed half-way, whose remains are swept', async () => {
    const archive = await archiveOf({'lib.so': 'library'});
    registry = await openRegistry(archive, {hold: true});
    const program = join(scratch, 'fetch.cjs');
    const source = fileURLToPath(new URL('../../../src/net/npm-package.ts', import.meta.url));
    await build({
      stdin: {
        contents: `import {createFetchPackage} from ${JSON.stringify(source)};
          createFetchPackage({cacheDir: process.argv[2]})(JSON.parse(process.argv[3]), ['lib.so'], () => undefined, new AbortController().signal);`,
        resolveDir: fileURLToPath(new URL('.', import.meta.url)),
      },
      bundle: true,
      platform: 'node',
      format: 'cjs',
      logLevel: 'error',
      define: {'import.meta.url': '""'},
      outfile: program,
    });
    const env = userEnv(registry.url);
    const child = spawn(process.execPath, [program, cacheDir(), JSON.stringify(pinOf(archive))], {
      env,
      stdio: 'inherit',
    });
    const socket = await registry.held;
    const [litter] = await readdir(join(cacheDir(), 'packages'));
    expect(litter).toMatch(/^\.fetch-/);

    // While its process lives, another one leaves it alone.
    const whole = await openRegistry(archive);
    const other = await archiveOf({'other.so': 'x'});
    await failureOf(fetcher(userEnv(whole.url))(pinOf(other), ['other.so'], quiet, never));
    expect(await readdir(join(cacheDir(), 'packages'))).toEqual([litter]);

    child.kill('SIGKILL');
    await once(child, 'close');
    socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const dir = await fetcher(userEnv(whole.url))(pinOf(archive), ['lib.so'], quiet, never);
    await whole.close();
    expect(await readFile(join(dir, 'lib.so'), 'utf8')).toBe('library');
    expect(await readdir(join(cacheDir(), 'packages'))).toHaveLength(1);
  });
});

describe('what is refused', () => {
  it('is content that is not the pinned one, and nothing of it is kept', async () => {
    const archive = await archiveOf({'lib.so': 'library'});
    const forged = await archiveOf({'lib.so': 'forged!'});
    registry = await openRegistry(forged);
    const failure = await failureOf(fetcher(userEnv(registry.url))(pinOf(archive), ['lib.so'], quiet, never));
    expect(failure).toMatchObject({
      code: 'FETCH_FAILED',
      facts: {package: NAME, version: VERSION, found: integrityOf(forged)},
    });
    expect(await listing(cacheDir())).toEqual([]);
  });

  it('is an archive that ends early', async () => {
    const archive = await archiveOf({'lib.so': 'library'.repeat(1000)});
    const cut = archive.subarray(0, archive.length - 40);
    registry = await openRegistry(cut);
    for (const pin of [pinOf(archive), pinOf(cut)]) {
      const failure = await failureOf(fetcher(userEnv(registry.url))(pin, ['lib.so'], quiet, never));
      expect(failure).toMatchObject({
        code: 'FETCH_FAILED',
        message: expect.stringContaining('unexpected end of file'),
      });
    }
    expect(await listing(cacheDir())).toEqual([]);
  });

  it.each<[string, {[path: string]: string | Partial<Header>}, string]>([
    ['a path that climbs out', {'../../escaped': 'x'}, 'leads out'],
    ['an absolute path', {'=/tmp/thaw-escaped': 'x'}, 'leads out'],
    ["a drive's path", {'=C:/escaped': 'x'}, 'leads out'],
    ['a backslash', {'..\\escaped': 'x'}, 'leads out'],
    [
      'a symbolic link among the wanted',
      {'bin/l': {type: 'symlink', linkname: '/etc/passwd'}},
      'is a symlink',
    ],
    ['a hard link among the wanted', {'bin/l': {type: 'link', linkname: 'x'}}, 'is a link'],
    ['nothing that is wanted', {'other/file': 'x'}, 'has nothing under bin'],
  ])('is an archive with %s', async (_what, files, words) => {
    const archive = await archiveOf({'bin/first': 'x', ...(words.includes('nothing') ? {} : files)});
    const poor = words.includes('nothing') ? await archiveOf(files) : archive;
    registry = await openRegistry(poor);
    const failure = await failureOf(fetcher(userEnv(registry.url))(pinOf(poor), ['bin'], quiet, never));
    expect(failure).toMatchObject({code: 'FETCH_FAILED', message: expect.stringContaining(words)});
    expect(await listing(cacheDir())).toEqual([]);
  });
});

describe('when npm fails', () => {
  const pin: PackagePin = {name: NAME, version: '9.9.9', integrity: 'sha512-x'};

  it('its own words are given', async () => {
    registry = await openRegistry(await archiveOf({a: 'x'}));
    const failure = await failureOf(fetcher(userEnv(registry.url))(pin, ['a'], quiet, never));
    expect(failure).toMatchObject({
      code: 'FETCH_FAILED',
      facts: {package: NAME, version: '9.9.9', npm: 'ETARGET'},
      message: expect.stringContaining('No matching version found'),
    });
    expect(await readdir(join(cacheDir(), 'packages'))).toEqual([]);
  });

  it('a password in the address of the registry stays secret', async () => {
    registry = await openRegistry(await archiveOf({a: 'x'}));
    await registry.close();
    const env = userEnv(registry.url.replace('http://', 'http://user:hunter2@'));
    const failure = await failureOf(fetcher(env)(pin, ['a'], quiet, never));
    expect(failure).toMatchObject({code: 'FETCH_FAILED', facts: {npm: 'ECONNREFUSED'}});
    expect(failure.message).not.toContain('hunter2');
    const words = 'request to http://user:hunter2@host/x failed';
    expect(parseNpmFailure('', `npm error ${words}`, '').words).toBe('request to http://***@host/x failed');
  });

  it('because there is none, that is said', async () => {
    const empty = join(scratch, 'empty');
    await mkdir(empty);
    const failure = await failureOf(fetcher({...userEnv(), PATH: empty})(pin, ['a'], quiet, never));
    expect(failure).toMatchObject({
      code: 'FETCH_FAILED',
      message: expect.stringContaining('npm was not found'),
    });
  });

  it.runIf(process.platform !== 'win32')('because the disk is full, the error is of that kind', async () => {
    const bin = join(scratch, 'bin');
    await mkdir(bin);
    const error = {code: 'ENOSPC', summary: 'no space left on device, write'};
    await writeFile(join(bin, 'npm'), `#!/bin/sh\necho '${JSON.stringify({error})}'\nexit 1\n`);
    await chmod(join(bin, 'npm'), 0o755);
    const env = {...userEnv(), PATH: [bin, process.env['PATH']].join(delimiter)};
    const failure = await failureOf(fetcher(env)(pin, ['a'], quiet, never));
    expect(failure).toMatchObject({code: 'DISK_FULL', facts: {package: NAME, version: '9.9.9'}});
  });

  it('because it was interrupted, it ends and leaves nothing', async () => {
    const archive = await archiveOf({a: 'x'.repeat(1000)});
    registry = await openRegistry(archive, {hold: true});
    const interruption = new AbortController();
    const fetching = failureOf(
      fetcher(userEnv(registry.url))(pinOf(archive), ['a'], quiet, interruption.signal),
    );
    const socket = await registry.held;
    // Hung up or reset, whichever npm comes to first when it is ended.
    const hungUp = new Promise((resolve) => socket.once('close', resolve));
    interruption.abort();
    expect((await fetching).code).toBe('INTERRUPTED');
    await hungUp;
    expect(await readdir(join(cacheDir(), 'packages'))).toEqual([]);
    const late = failureOf(fetcher(userEnv(registry.url))(pinOf(archive), ['a'], quiet, interruption.signal));
    expect((await late).code).toBe('INTERRUPTED');
  });
});
