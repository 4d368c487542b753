import {beforeEach, describe, expect, test} from 'vitest';
import type {Platform} from '../../../../src/core/image.ts';
import {chooseBase, parseBaseWish, PUBLIC_BASE, type BaseChoice} from '../../../../src/image/base/choose.ts';
import {parseReference} from '../../../../src/image/registry/reference.ts';
import {failureOf, ignore, never, scratch} from '../fixture.ts';
import {startFakeRegistry} from '../registry/fake-registry.ts';
import {stillClock} from '../registry/still-clock.ts';
import {baseFiles, layerOf, putBase} from './base-image.ts';

const here = `${process.platform}/${process.arch}`;
const own: Platform | null =
  here === 'linux/x64' ? 'linux/amd64' : here === 'linux/arm64' ? 'linux/arm64' : null;
const other: Platform = own === 'linux/arm64' ? 'linux/amd64' : 'linux/arm64';

let cacheDir: string;
beforeEach(async () => {
  cacheDir = await scratch();
});

const choose = (publicBase: string, more: Partial<BaseChoice> = {}) =>
  chooseBase({
    wish: {kind: 'auto'},
    platform: own ?? 'linux/amd64',
    publicBase: parseReference(publicBase),
    cacheDir,
    credentials: null,
    clock: stillClock(),
    progress: ignore,
    signal: never,
    ...more,
  });

/** A port of this machine on which nobody listens: it is reserved for a service that is gone. */
const DEAF = '127.0.0.1:1';

async function registryWithBase(platform: Platform) {
  const registry = await startFakeRegistry();
  const digest = putBase(registry, 'public/base:1', {layers: [await layerOf(baseFiles(platform))], platform});
  return {registry, reference: `${registry.host}/public/base:1@${digest}`};
}

describe('a base that thaw chooses', () => {
  test('is the public one, pulled once and then from the cache', async () => {
    const {registry, reference} = await registryWithBase(other);
    const pulled = await choose(reference, {platform: other});
    expect(pulled.base).toMatchObject({kind: 'registry', remembered: false});
    expect(pulled.why).toMatch(/^the public base 127.0.0.1:\d+\/public\/base@sha256:[0-9a-f]{64}$/);
    registry.set({fault: () => 'reset before reading'});
    const cached = await choose(reference, {platform: other});
    expect(cached.why).toBe(`${pulled.why}, from the cache`);
    expect(registry.seen).toEqual([]);
  });

  test.skipIf(own === null)(
    'is this machine’s own where the registry is not reached, and says why',
    async () => {
      const {base, why} = await choose(`${DEAF}/public/base:1`);
      expect(base.kind).toBe('host');
      expect(why).toMatch(
        new RegExp(
          `^this machine’s own files, because ${DEAF}/public/base:1 cannot be had: GET .* got no answer`,
        ),
      );
    },
  );

  test.skipIf(own === null)('is this machine’s own where what comes is no base', async () => {
    const {registry} = await registryWithBase(own ?? other);
    putBase(registry, 'public/base:2', {layers: [], platform: own ?? other});
    const {base, why} = await choose(`${registry.host}/public/base:2`);
    expect([base.kind, why]).toEqual(['host', expect.stringContaining('it has no glibc')]);
  });

  test('asks a registry that does not answer no second time', async () => {
    const {registry, reference} = await registryWithBase(other);
    registry.set({fault: () => '500'});
    await failureOf(choose(reference, {platform: other}));
    expect(registry.seen.map(({method, url}) => `${method} ${url}`)).toEqual(['GET /v2/']);
  });

  test('of another platform than this machine’s has to come from a registry', async () => {
    const error = await failureOf(choose(`${DEAF}/public/base:1`, {platform: other}));
    expect(error).toMatchObject({
      code: 'PROVIDER_UNREACHABLE',
      facts: {wanted: 'base', platform: other, reference: `${DEAF}/public/base:1`},
    });
    expect(error.message).toContain(`no base for an image of ${other}`);
    expect(error.message).toContain(`this machine is ${here}`);
  });

  test('is not looked for any further once it is called off', async () => {
    const choice = choose(`${DEAF}/public/base:1`, {signal: AbortSignal.abort()});
    expect((await failureOf(choice)).code).toBe('INTERRUPTED');
  });
});

describe('a base that the user names', () => {
  test('is read from the flag', () => {
    expect(parseBaseWish('auto')).toEqual({kind: 'auto'});
    expect(parseBaseWish('host')).toEqual({kind: 'host'});
    expect(parseBaseWish('debian:12')).toMatchObject({
      kind: 'registry',
      reference: {registry: 'docker.io', repository: 'library/debian', tag: '12'},
    });
    expect(() => parseBaseWish('Debian')).toThrow('not an image reference');
  });

  test('is taken or refused, and nothing stands in for it', async () => {
    const {registry} = await registryWithBase(other);
    const wish = parseBaseWish(`${registry.host}/public/base:1`);
    const {base, why} = await choose('never.invalid/asked:1', {wish, platform: other});
    expect(why).toBe(base.kind === 'registry' ? base.reference : '');
    const gone = parseBaseWish(`${registry.host}/public/base:none`);
    const error = await failureOf(choose('never.invalid/asked:1', {wish: gone}));
    expect(error.facts['codes']).toEqual(['MANIFEST_UNKNOWN']);
  });

  test.skipIf(own === null)('can be this machine’s own files', async () => {
    const {base} = await choose('never.invalid/asked:1', {wish: {kind: 'host'}});
    expect(base.kind).toBe('host');
  });
});

test('the public base is pinned to a digest', () => {
  expect(PUBLIC_BASE.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
});
