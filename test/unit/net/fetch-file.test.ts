import {createServer, type Server} from 'node:http';
import {connect, type AddressInfo} from 'node:net';
import {mkdtemp, readdir, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {beforeEach, expect, test} from 'vitest';
import {digestOf} from '../../../src/core/digest.ts';
import {createFetchFile} from '../../../src/net/fetch-file.ts';

const CONTENT = Buffer.alloc(300_000, 'thaw');

let dir: string;
let server: Server;
let address: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-fetch-file-'));
  server = createServer(({url = ''}, response) => {
    if (url.endsWith('/moved')) response.writeHead(302, {location: '/file'}).end();
    else if (url.endsWith('/broken')) {
      response.writeHead(200, {'content-length': CONTENT.length});
      response.write(CONTENT.subarray(0, 1000), () => response.destroy());
    } else if (url.endsWith('/silent')) response.writeHead(200).write('x');
    else response.end(CONTENT);
  });
  // As a proxy, it leads everything to itself.
  server.on('connect', (_request, socket) => {
    const there = connect((server.address() as AddressInfo).port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connected\r\n\r\n');
      there.pipe(socket).pipe(there);
    });
    for (const end of [there, socket]) end.on('error', () => there.destroy());
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return async () => {
    server.close();
    server.closeAllConnections();
    await rm(dir, {recursive: true, force: true});
  };
});
const fetchTo = (
  url: string,
  env: {readonly [name: string]: string} = {},
  signal = new AbortController().signal,
) => createFetchFile(env)({url, digest: digestOf(CONTENT)}, join(dir, 'file'), () => undefined, signal);

test('a file is fetched, also where it has moved to, and told of as it comes', async () => {
  const done: (readonly [number, number | null])[] = [];
  await createFetchFile({})(
    {url: `http://${address}/moved`, digest: digestOf(CONTENT)},
    join(dir, 'file'),
    (bytes, total) => done.push([bytes, total]),
    new AbortController().signal,
  );
  expect(await readFile(join(dir, 'file'))).toEqual(CONTENT);
  expect(done.at(-1)?.[0]).toBe(CONTENT.length);
});

test('a file goes through the proxy that the environment names', async () => {
  await fetchTo('http://nowhere.invalid/file', {HTTP_PROXY: `http://${address}`});
  expect(await readFile(join(dir, 'file'))).toEqual(CONTENT);
});

test('one that breaks off leaves nothing', async () => {
  await expect(fetchTo(`http://${address}/broken`)).rejects.toMatchObject({code: 'FETCH_FAILED'});
  expect(await readdir(dir)).toEqual([]);
});

test('waiting for one can be called off, and leaves nothing', async () => {
  const controller = new AbortController();
  const fetching = fetchTo(`http://${address}/silent`, {}, controller.signal);
  setTimeout(() => controller.abort(), 100);
  await expect(fetching).rejects.toMatchObject({code: 'INTERRUPTED'});
  expect(await readdir(dir)).toEqual([]);
});
