import {execFile} from 'node:child_process';
import {createHash, createPublicKey, createSign, generateKeyPairSync, type KeyObject} from 'node:crypto';
import {once} from 'node:events';
import {readdir, rm, writeFile} from 'node:fs/promises';
import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {ImageOnDisk} from '../../src/core/ports.ts';
import {blobsDir} from '../../src/image/blobs.ts';
import {writeLayout} from '../../src/image/layout.ts';
import {readCredentials, type Credentials} from '../../src/image/registry/credentials.ts';
import {pullImage} from '../../src/image/registry/pull.ts';
import {pushImage, type Pushed} from '../../src/image/registry/push.ts';
import {parseReference} from '../../src/image/registry/reference.ts';
import {systemClock} from '../../src/net/clock.ts';
import {failureOf, ignore, never, scratch, smallImage} from '../unit/image/fixture.ts';
import {findMissing, skippedFor, startRegistry} from './debian-registry.ts';

const run = promisify(execFile);
const missing = findMissing(['docker-registry', 'htpasswd', 'skopeo', 'openssl']);
const why = skippedFor(missing);

const ann: Credentials = {kind: 'password', username: 'ann', password: 'hush-hush'};
const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

/** The registry with a password file. */
async function passwordRegistry(folder: string): Promise<string> {
  const {stdout} = await run('htpasswd', ['-nbB', 'ann', 'hush-hush']);
  await writeFile(join(folder, 'htpasswd'), stdout.trim());
  return startRegistry(folder, `auth:\n  htpasswd: {realm: thaw, path: ${join(folder, 'htpasswd')}}\n`);
}

const base64url = (content: string | Buffer): string => Buffer.from(content).toString('base64url');

/** The name of a key as the registry's own library computes it. */
function keyId(publicKey: KeyObject): string {
  const der = publicKey.export({type: 'spki', format: 'der'});
  const bytes = createHash('sha256').update(der).digest().subarray(0, 30);
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  let bits = '';
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0');
  const text = bits.match(/.{5}/g)!.map((five) => letters[parseInt(five, 2)]);
  return text.join('').match(/.{4}/g)!.join(':');
}

/** A token server that knows one password and gives what is asked for; and the registry that trusts its key. */
async function tokenRegistry(folder: string): Promise<{host: string; granted: string[][]}> {
  const {privateKey} = generateKeyPairSync('ec', {namedCurve: 'P-256'});
  const keyFile = join(folder, 'key.pem');
  await writeFile(keyFile, privateKey.export({type: 'pkcs8', format: 'pem'}));
  const certificate = join(folder, 'certificate.pem');
  await run('openssl', [
    'req',
    '-x509',
    '-key',
    keyFile,
    '-subj',
    '/CN=token',
    '-days',
    '2',
    '-out',
    certificate,
  ]);
  const kid = keyId(createPublicKey(privateKey));

  const granted: string[][] = [];
  const server = createServer((request, response) => {
    const basic = `Basic ${Buffer.from('ann:hush-hush').toString('base64')}`;
    if (request.headers.authorization !== basic) {
      response.writeHead(401).end();
      return;
    }
    const query = new URL(request.url ?? '', 'http://token').searchParams;
    granted.push(query.getAll('scope'));
    const seconds = Math.floor(Date.now() / 1000);
    const access = query.getAll('scope').map((scope) => {
      const [type, name, actions = ''] = scope.split(':');
      return {type, name, actions: actions.split(',')};
    });
    const claims = {
      iss: 'thaw test',
      sub: 'ann',
      aud: query.get('service'),
      nbf: seconds - 10,
      iat: seconds,
      exp: seconds + 300,
      jti: String(granted.length),
      access,
    };
    const signed = `${base64url(JSON.stringify({typ: 'JWT', alg: 'ES256', kid}))}.${base64url(JSON.stringify(claims))}`;
    const signature = createSign('sha256').update(signed).sign({key: privateKey, dsaEncoding: 'ieee-p1363'});
    response.end(JSON.stringify({token: `${signed}.${base64url(signature)}`, expires_in: 300}));
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  const host = await startRegistry(
    folder,
    `auth:\n  token: {realm: "${realm}", service: thaw, issuer: thaw test, rootcertbundle: ${certificate}}\n`,
  );
  return {host, granted};
}

describe.skipIf(missing.length > 0)(`Debian's registry${why}`, () => {
  let image: ImageOnDisk;
  beforeAll(async () => {
    const folder = await scratch();
    const noise = Array.from({length: 400_000}, (_, i) => Math.sin(i).toString(36)).join('');
    const {image: built, documents} = await smallImage(join(folder, 'cache'), noise);
    image = await writeLayout(built, documents, join(folder, 'cache'), join(folder, 'layout'), never);
  });

  const push = (
    text: string,
    mountFrom: string | null = null,
    credentials: Credentials | null = ann,
  ): Promise<Pushed> =>
    pushImage({
      layoutDir: image.layoutDir,
      digest: image.image.digest,
      reference: parseReference(text),
      credentials,
      mountFrom,
      clock: systemClock,
      progress: ignore,
      signal: never,
    });

  /** What another tool finds there. */
  async function expectThere(text: string): Promise<void> {
    const {stdout} = await run('skopeo', [
      'inspect',
      '--tls-verify=false',
      '--creds=ann:hush-hush',
      `docker://${text}`,
    ]);
    const found = JSON.parse(stdout) as {Digest: string; Layers: string[]};
    expect(found.Digest).toBe(image.image.digest);
    expect(found.Layers).toEqual(image.image.layers.map(({digest}) => digest));
  }

  async function expectPulled(text: string): Promise<void> {
    const cacheDir = await scratch();
    const pulled = await pullImage({
      reference: parseReference(text),
      platform: 'linux/amd64',
      cacheDir,
      credentials: ann,
      clock: systemClock,
      progress: ignore,
      signal: never,
    });
    expect(pulled.digest).toBe(image.image.digest);
    expect((await readdir(blobsDir(cacheDir))).length).toBe(4);
  }

  test('with a password takes a push, and gives the same image to skopeo and to a pull', async () => {
    const host = await passwordRegistry(await scratch());
    const pushed = await push(`${host}/team/small:1`);
    expect(pushed.uploadedBytes).toBeGreaterThan(1_000_000);
    await expectThere(`${host}/team/small:1`);
    await expectThere(pushed.reference);
    await expectPulled(pushed.reference);

    expect(await push(`${host}/team/small:2`)).toMatchObject({uploadedBytes: 0});
    expect(await push(`${host}/team/other:1`, 'team/small')).toMatchObject({
      uploadedBytes: 0,
      skippedBytes: 0,
    });
    await expectThere(`${host}/team/other:1`);

    expect((await failureOf(push(`${host}/team/small:3`, null, null))).code).toBe('CREDENTIALS_MISSING');
    const wrong = {...ann, password: 'wrong-word'} as Credentials;
    const failure = await failureOf(push(`${host}/team/small:3`, null, wrong));
    expect(failure.code).toBe('PERMISSION_DENIED');
    expect(failure.message).not.toContain('wrong-word');
  });

  test('takes the credentials that skopeo login left', async () => {
    const host = await passwordRegistry(await scratch());
    const home = await scratch();
    const env = {REGISTRY_AUTH_FILE: join(home, 'auth.json')};
    const login = ['login', '--tls-verify=false', '-u', 'ann', '-p', 'hush-hush', host];
    await run('skopeo', login, {env: {...process.env, ...env}});
    const reference = parseReference(`${host}/team/small:1`);
    expect(await readCredentials(reference, {env, homeDir: home}, never)).toEqual(ann);
  });

  test('with tokens takes a push, a mount and a pull, with no more scopes than each needs', async () => {
    const {host, granted} = await tokenRegistry(await scratch());
    const pushed = await push(`${host}/team/small:1`);
    expect(granted).toEqual([['repository:team/small:pull,push']]);
    await expectThere(pushed.reference);
    expect(await push(`${host}/team/other:1`, 'team/small')).toMatchObject({
      uploadedBytes: 0,
      skippedBytes: 0,
    });
    await expectThere(`${host}/team/other:1`);
    granted.length = 0;
    await expectPulled(pushed.reference);
    expect(granted).toEqual([['repository:team/small:pull']]);
  });

  test('gets the rest of a push that was called off in the middle', async () => {
    const folder = await scratch();
    const host = await passwordRegistry(folder);
    const controller = new AbortController();
    const cut = pushImage({
      layoutDir: image.layoutDir,
      digest: image.image.digest,
      reference: parseReference(`${host}/team/small:1`),
      credentials: ann,
      clock: systemClock,
      progress: (done) => {
        if (done > 500_000) controller.abort();
      },
      signal: controller.signal,
    });
    expect((await failureOf(cut)).code).toBe('INTERRUPTED');
    await push(`${host}/team/small:1`);
    await expectThere(`${host}/team/small:1`);
    await rm(folder, {recursive: true, force: true, maxRetries: 3});
  });
});
