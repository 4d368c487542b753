import {mkdir, mkdtemp, readdir, readFile, readlink, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {fixture, layInstance, startServer, type RunningServer} from '../../instance.ts';

// ONNX Runtime from 1.29 on keeps a device id and a database in the user's cache folder, and a session file and a
// debug log in the temporary folder, and some seconds later dials out to upload them: unless ORT_DISABLE_TELEMETRY
// is set before it is loaded. Whoever takes that line out of binding.ts sees these tests fail by those files.

let home: string;
let server: RunningServer;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'thaw-home-'));
});
afterEach(async () => {
  await server.stop();
  await rm(home, {recursive: true, force: true});
});

/** Starts a server whose every folder to write in is new, and lets it predict. */
async function predictAtHome(concurrency: number): Promise<void> {
  const folders = {
    HOME: home,
    USERPROFILE: home,
    TMPDIR: join(home, 'tmp'),
    TMP: join(home, 'tmp'),
    TEMP: join(home, 'tmp'),
    XDG_CACHE_HOME: join(home, 'cache'),
    XDG_CONFIG_HOME: join(home, 'config'),
    XDG_DATA_HOME: join(home, 'data'),
    XDG_STATE_HOME: join(home, 'state'),
    LOCALAPPDATA: join(home, 'local'),
    APPDATA: join(home, 'roaming'),
  };
  await Promise.all(Object.values(folders).map((folder) => mkdir(folder, {recursive: true})));
  const dir = await layInstance({model: fixture('linear.onnx')});
  server = await startServer(dir, {...folders, THAW_CONCURRENCY: String(concurrency)});
  const body = '{"inputs":[{"name":"features","shape":[1,4],"datatype":"FP32","data":[1,1,1,1]}]}';
  for (let call = 0; call < 3; call += 1) {
    const response = await fetch(server.url, {method: 'POST', body, headers: {connection: 'close'}});
    expect(response.status).toBe(200);
    await response.text();
  }
  // The files are there at once; test/parts stays for the seconds that it takes until somebody is dialled.
  await new Promise((resolve) => setTimeout(resolve, 500));
}

describe.each([1, 4])('a prediction at concurrency %i', (concurrency) => {
  it('writes no file', async () => {
    await predictAtHome(concurrency);
    const entries = await readdir(home, {recursive: true, withFileTypes: true});
    expect(entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name)).toEqual([]);
    server.child.kill('SIGTERM');
    await server.ended;
    const after = await readdir(home, {recursive: true, withFileTypes: true});
    expect(after.filter((entry) => !entry.isDirectory()).map((entry) => entry.name)).toEqual([]);
  });

  it.runIf(process.platform === 'linux')(
    'opens no socket but the one it listens on, and no file to write',
    async () => {
      await predictAtHome(concurrency);
      const sockets: string[] = [];
      const files: string[] = [];
      for (const fd of await readdir(`/proc/${server.pid}/fd`)) {
        const target = await readlink(`/proc/${server.pid}/fd/${fd}`).catch(() => '');
        if (target.startsWith('socket:')) sockets.push(target.slice('socket:['.length, -1));
        else if (target.startsWith('/') && !target.startsWith('/dev/')) files.push(target);
      }
      expect(files.filter((file) => !file.startsWith('/proc/'))).toEqual([]);
      // Standard input and output of a child are sockets without an address, which these tables do not list.
      const tables = await Promise.all(
        ['tcp', 'tcp6', 'udp', 'udp6'].map((table) =>
          readFile(`/proc/${server.pid}/net/${table}`, 'utf8').catch(() => ''),
        ),
      );
      const rows = tables
        .flatMap((table) => table.split('\n').slice(1))
        .map((row) => row.trim().split(/\s+/))
        .filter((row) => sockets.includes(row[9] ?? ''));
      const LISTEN = '0A';
      expect(rows.map((row) => row[3])).toEqual([LISTEN]);
      expect(Number.parseInt((rows[0]?.[1] ?? '').split(':')[1] ?? '', 16)).toBe(server.port);
    },
  );
});
