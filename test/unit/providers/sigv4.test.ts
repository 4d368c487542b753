import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {build} from 'esbuild';
import {afterEach, describe, expect, test} from 'vitest';
import type {SignableRequest} from '../../../src/core/ports.ts';
import {createSigV4, type SigV4} from '../../../src/providers/aws/calls/sigv4.ts';
import {openSigner} from '../../../src/providers/signers.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

// The Signature Version 4 test suite that AWS publishes: its credentials, its moment, its requests, its signatures.
const suite: SigV4 = {
  region: 'us-east-1',
  service: 'service',
  credentials: async () => ({
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  }),
  now: () => Date.parse('2015-08-30T12:36:00Z'),
  checksumHeader: false,
};

const get = (pathAndQuery: string): SignableRequest => ({
  method: 'GET',
  url: `https://example.amazonaws.com${pathAndQuery}`,
  headers: {},
  body: null,
});

const VECTORS: readonly (readonly [string, SignableRequest, string, string])[] = [
  [
    'get-vanilla',
    get('/'),
    'host;x-amz-date',
    '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
  ],
  [
    'get-vanilla-query-order-key-case',
    get('/?Param2=value2&Param1=value1'),
    'host;x-amz-date',
    'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
  ],
  [
    'get-vanilla-utf8-query',
    get('/?%E1%88%B4=bar'),
    'host;x-amz-date',
    '2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04',
  ],
  [
    'get-unreserved',
    get('/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'),
    'host;x-amz-date',
    '07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f',
  ],
  [
    'post-vanilla',
    {...get('/'), method: 'POST'},
    'host;x-amz-date',
    '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
  ],
  [
    'post-x-www-form-urlencoded',
    {
      ...get('/'),
      method: 'POST',
      headers: {'content-type': 'application/x-www-form-urlencoded'},
      body: Buffer.from('Param1=value1'),
    },
    'content-type;host;x-amz-date',
    'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
  ],
];

describe('Signature Version 4', () => {
  test.each(VECTORS)('signs %s as AWS publishes it', async (_, request, signedHeaders, signature) => {
    const {headers} = await createSigV4(suite)(request);
    expect(headers).toEqual({
      'x-amz-date': '20150830T123600Z',
      authorization:
        'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, ' +
        `SignedHeaders=${signedHeaders}, Signature=${signature}`,
    });
  });

  test('covers the session token and the body’s digest, and leaves alone what changes on the way', async () => {
    const sign = createSigV4({
      ...suite,
      checksumHeader: true,
      credentials: async () => ({accessKeyId: 'A', secretAccessKey: 'b', sessionToken: 'the-token'}),
    });
    const {headers} = await sign({
      ...get('/'),
      method: 'POST',
      headers: {'content-type': 'application/json', 'user-agent': 'thaw', accept: '*/*'},
      body: Buffer.from('{}'),
    });
    expect(Object.keys(headers).sort()).toEqual([
      'authorization',
      'x-amz-content-sha256',
      'x-amz-date',
      'x-amz-security-token',
    ]);
    expect(headers['x-amz-content-sha256']).toBe(
      '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
    );
    expect(headers['authorization']).toContain(
      'SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token,',
    );
  });

  test('a query that is no valid encoding is signed as it stands', async () => {
    await expect(createSigV4(suite)(get('/?a=%zz&flag'))).resolves.toHaveProperty('headers.authorization');
  });
});

describe('a signer', () => {
  /** An environment with these variables, no profile and no metadata service. */
  async function environment(variables: {[name: string]: string}): Promise<void> {
    const home = await mkdtemp(join(tmpdir(), 'thaw-'));
    cleanups.push(() => rm(home, {recursive: true}));
    await writeFile(join(home, 'none'), '');
    const before = {...process.env};
    cleanups.push(() => {
      for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
      Object.assign(process.env, before);
    });
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
    Object.assign(process.env, {
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_CONFIG_FILE: join(home, 'none'),
      AWS_SHARED_CREDENTIALS_FILE: join(home, 'none'),
      ...variables,
    });
  }

  test('takes its credentials from the environment', async () => {
    await environment({AWS_ACCESS_KEY_ID: 'AKIDENV', AWS_SECRET_ACCESS_KEY: 'x', AWS_SESSION_TOKEN: 'y'});
    const sign = await openSigner('sigv4:eu-central-1/lambda');
    const {headers, validMs} = await sign(get('/'));
    expect(headers['authorization']).toMatch(
      /Credential=AKIDENV\/\d{8}\/eu-central-1\/lambda\/aws4_request,/,
    );
    expect(headers['x-amz-security-token']).toBe('y');
    expect(validMs).toBeGreaterThan(0);
    // AWS refuses a signature that is 5 minutes old.
    expect(validMs).toBeLessThan(300_000);
  });

  test('signs when it is bundled, as it is published, just as well', async () => {
    await environment({AWS_ACCESS_KEY_ID: 'AKIDENV', AWS_SECRET_ACCESS_KEY: 'x'});
    const folder = await mkdtemp(join(tmpdir(), 'thaw-'));
    cleanups.push(() => rm(folder, {recursive: true}));
    await build({
      entryPoints: [fileURLToPath(new URL('../../../src/providers/signers.ts', import.meta.url))],
      bundle: true,
      splitting: true,
      platform: 'node',
      format: 'esm',
      outdir: folder,
      outExtension: {'.js': '.mjs'},
      logLevel: 'silent',
      banner: {
        js: "import {createRequire} from 'node:module'; const require = createRequire(import.meta.url);",
      },
    });
    const bundled = (await import(pathToFileURL(join(folder, 'signers.mjs')).href)) as {
      openSigner: typeof openSigner;
    };
    const {headers} = await (await bundled.openSigner('sigv4:eu-central-1/lambda'))(get('/'));
    expect(headers['authorization']).toMatch(/Credential=AKIDENV/);
  });

  test('without credentials says so', async () => {
    await environment({});
    const sign = await openSigner('sigv4:eu-central-1/lambda');
    await expect(sign(get('/'))).rejects.toMatchObject({
      code: 'CREDENTIALS_MISSING',
      message: expect.stringMatching(/^no AWS credentials to sign with: /),
      facts: {provider: 'aws'},
    });
  });

  test.each(['', 'sigv4', 'sigv4:', 'sigv4:eu-central-1', 'sigv4:/lambda', 'v4:a/b', 'constructor:a/b'])(
    '%j names none',
    async (text) => {
      await expect(openSigner(text)).rejects.toMatchObject({
        code: 'USAGE',
        message: expect.stringContaining('sigv4:REGION/SERVICE'),
      });
    },
  );
});
