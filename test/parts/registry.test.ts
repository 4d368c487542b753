import {execFile} from 'node:child_process';
import {createHash, createPublicKey, createSign, generateKeyPairSync, type KeyObject} from 'node:crypto';
import {once} from 'node:events';
import {copyFile, mkdir, readdir, rm, writeFile} from 'node:fs/promises';
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
import {pushImage, type Pushed, type PushInput} from '../../src/image/registry/push.ts';
import {parseReference} from '../../src/image/registry/reference.ts';
import {systemClock} from '../../src/net/clock.ts';
import {failureOf, ignore, never, scratch, smallImage} from '../unit/image/fixture.ts';
import {startFaultyProxy} from './faulty-proxy.ts';
import {startTunnelProxy} from './tunnel-proxy.ts';
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

/** An authority, and a certificate of it for this machine and for a name, as lines of the registry's configuration. */
async function ownCertificates(folder: string, name: string): Promise<{authority: string; tls: string}> {
  const openssl = (text: string) => run('openssl', text.split(' '), {cwd: folder});
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2';
  await openssl(`${request} -subj /CN=thaw-test-authority -keyout authority.key -out authority.pem`);
  await openssl(
    `${request} -subj /CN=${name} -CA authority.pem -CAkey authority.key -keyout server.key -out server.pem ` +
      `-addext subjectAltName=DNS:${name},IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE`,
  );
  const tls = `  tls: {certificate: ${join(folder, 'server.pem')}, key: ${join(folder, 'server.key')}}\n`;
  return {authority: join(folder, 'authority.pem'), tls};
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
    more: Partial<PushInput> = {},
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
      ...more,
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

  async function expectPulled(text: string, digest: string = image.image.digest): Promise<void> {
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
    expect(pulled.digest).toBe(digest);
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

  test('takes Docker’s media types too, for skopeo and for a pull', async () => {
    const host = await passwordRegistry(await scratch());
    const {digest, reference} = await push(`${host}/team/small:1`, null, ann, {mediaTypes: 'docker'});
    const inspect = [
      'inspect',
      '--tls-verify=false',
      '--creds=ann:hush-hush',
      `docker://${host}/team/small:1`,
    ];
    const {stdout} = await run('skopeo', inspect);
    expect(JSON.parse(stdout)).toMatchObject({Digest: digest});
    await expectPulled(reference, digest);
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

  test('gets a layer that was cut in the middle again, and on the next run only the layers it lacks', async () => {
    const registry = await startRegistry(await scratch());
    const proxy = await startFaultyProxy(registry);
    const totalBytes = image.image.layers.reduce((sum, {bytes}) => sum + bytes, 0);
    const [first] = image.image.layers;
    const reference = parseReference(`${proxy.host}/team/small:1`);
    const settings = {
      layoutDir: image.layoutDir,
      digest: image.image.digest,
      reference,
      credentials: null,
      parallel: 1,
      clock: systemClock,
      progress: ignore,
      signal: never,
    };
    let cuts = 0;
    proxy.set((_, method) => (method === 'PATCH' && cuts++ === 0 ? 'reset while it is sent' : null));
    await pushImage(settings);
    // This registry gives up an upload that is cut within a request, so half of the layer went for nothing.
    const lostBytes = first!.bytes / 2;
    expect(proxy.passedBytes()).toBeGreaterThanOrEqual(totalBytes);
    expect(proxy.passedBytes()).toBeLessThan(totalBytes + lostBytes + 10_000);

    // The large layer is the last of all, and the only one that is streamed.
    proxy.set((_, method) => (method === 'PATCH' ? 'reset before the request' : null));
    const other = {...settings, reference: {...reference, repository: 'team/other'}};
    expect((await failureOf(pushImage(other))).code).toBe('PROVIDER_UNREACHABLE');
    proxy.set(() => null);
    const rest = await pushImage(other);
    expect(rest.uploadedBytes).toBe(first!.bytes);
    expect(rest.skippedBytes).toBeGreaterThan(0);
    expect(proxy.passedBytes()).toBeLessThan(first!.bytes + 10_000);
  });

  test('keeps a bill of materials under the tag that stands in for a list of referrers', async () => {
    const host = await passwordRegistry(await scratch());
    const bytes = Buffer.from('{"bomFormat":"CycloneDX"}');
    const mediaType = 'application/vnd.cyclonedx+json';
    const attachment = {mediaType, title: 'sbom.cdx.json', bytes};
    const pushed = await push(`${host}/team/small:1`, null, ann, {attachment});
    expect(pushed.attached).toMatchObject({foundBy: 'tag'});
    const {digest} = pushed.attached as {digest: string};
    await expectThere(`${host}/team/small:1`);

    const raw = async (name: string): Promise<{[name: string]: unknown}> => {
      const inspect = ['inspect', '--raw', '--tls-verify=false', '--creds=ann:hush-hush'];
      return JSON.parse((await run('skopeo', [...inspect, `docker://${host}/team/small${name}`])).stdout) as {
        [name: string]: unknown;
      };
    };
    const list = await raw(`:${image.image.digest.replace(':', '-')}`);
    expect(list['manifests']).toMatchObject([{digest, artifactType: mediaType}]);
    const artifact = await raw(`@${digest}`);
    expect(artifact).toMatchObject({artifactType: mediaType, subject: {digest: image.image.digest}});
    const [{digest: content}] = artifact['layers'] as [{digest: string}];
    const authorization = `Basic ${Buffer.from('ann:hush-hush').toString('base64')}`;
    const answer = await fetch(`http://${host}/v2/team/small/blobs/${content}`, {headers: {authorization}});
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(bytes);
    expect(await push(`${host}/team/small:1`, null, ann, {attachment})).toMatchObject({
      attached: pushed.attached,
    });
  });

  test('speaks TLS under an authority of its own, through a tunnel too', async () => {
    const folder = await scratch();
    const {authority, tls} = await ownCertificates(folder, 'registry.invalid');
    const registry = await startRegistry(folder, '', tls);
    const [, port = ''] = registry.split(':');
    const homeDir = await scratch();
    const at = (host: string, env: {[name: string]: string}): Promise<Pushed> =>
      push(`${host}/team/small:1`, null, null, {surroundings: {env, homeDir}});

    const stranger = await failureOf(at(registry, {}));
    expect(stranger).toMatchObject({
      code: 'PROVIDER_UNREACHABLE',
      message: expect.stringContaining(`the certificate of ${registry} is not trusted`) as string,
      facts: {certificate: true, registry},
    });
    await at(registry, {SSL_CERT_FILE: authority});

    // By another name, for which this machine needs a proxy; it knows the way.
    const proxy = await startTunnelProxy(registry, 'ann', 'proxy-secret');
    const named = `registry.invalid:${port}`;
    const env = {HTTPS_PROXY: `http://ann:proxy-secret@${proxy.host}`};
    expect((await failureOf(at(named, env))).message).toContain(`the certificate of ${named} is not trusted`);
    const trusted = join(homeDir, '.docker', 'certs.d', named);
    await mkdir(trusted, {recursive: true});
    await copyFile(authority, join(trusted, 'ca.crt'));
    expect(await at(named, env)).toMatchObject({uploadedBytes: 0, digest: image.image.digest});
    expect(new Set(proxy.targets)).toEqual(new Set([named]));
    const refused = await failureOf(at(named, {HTTPS_PROXY: `http://ann:not-the-secret@${proxy.host}`}));
    expect(refused.message).toContain('the proxy answered 407');
    expect(JSON.stringify([refused.message, refused.facts])).not.toMatch(/secret/);

    // For a name that is not in the certificate, trust in the authority is not enough.
    const elsewhere = await failureOf(at(`other.invalid:${port}`, {...env, SSL_CERT_FILE: authority}));
    expect(elsewhere.message).toContain(`the certificate of other.invalid:${port} is not trusted`);
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
