import type {IncomingMessage, ServerResponse} from 'node:http';
import {describe, expect, test} from 'vitest';
import {parseChallenges} from '../../../../src/image/registry/challenge.ts';
import {openRegistry, type RegistryClient} from '../../../../src/image/registry/client.ts';
import type {Credentials} from '../../../../src/image/registry/credentials.ts';
import {discard, type RegistryAnswer} from '../../../../src/image/registry/transport.ts';
import {failureOf, never} from '../fixture.ts';
import {startFakeRegistry, type FakeRegistry} from './fake-registry.ts';
import {stillClock} from './still-clock.ts';

const ann: Credentials = {kind: 'password', username: 'ann', password: 'hush-hush'};
const basic = `Basic ${Buffer.from('ann:hush-hush').toString('base64')}`;
const pull = ['repository:team/app:pull'];
const push = ['repository:team/app:pull,push'];

async function ask(client: RegistryClient, scopes: readonly string[]): Promise<RegistryAnswer> {
  const to = '/v2/team/app/manifests/1';
  const answer = await client.send({method: 'HEAD', to, scopes, retry: true, signal: never});
  await discard(answer);
  return answer;
}

/** A registry that sends everybody to a token server, which is the same server; it hands out numbered tokens. */
async function tokenRegistry(expiresSeconds = 300, accept = /^Bearer token-\d+$/) {
  const tokens: {query: URLSearchParams; authorization: string | undefined}[] = [];
  let registry: FakeRegistry;
  const other = (request: IncomingMessage, response: ServerResponse): boolean => {
    const url = new URL(request.url ?? '', `http://${registry.host}`);
    if (url.pathname !== '/token') return false;
    const {authorization} = request.headers;
    tokens.push({query: url.searchParams, authorization});
    const token = `token-${tokens.length}`;
    response.end(JSON.stringify({token, expires_in: expiresSeconds}));
    return true;
  };
  registry = await startFakeRegistry();
  const demand = (request: IncomingMessage): string | null =>
    accept.test(request.headers.authorization ?? '')
      ? null
      : `Bearer realm="http://${registry.host}/token",service="fake registry",scope="ignored"`;
  registry.set({other, demand});
  return {registry, tokens};
}

async function open(registry: FakeRegistry, credentials: Credentials | null, clock = stillClock()) {
  return openRegistry({registry: registry.host, credentials, clock, signal: never});
}

describe('challenges', () => {
  test('are read with their parameters, several in one header', () => {
    const header =
      'Bearer realm="https://a/token",service=b, scope="x:y:pull,push", Basic realm="say \\"hi\\""';
    expect(parseChallenges(header)).toEqual([
      {scheme: 'bearer', parameters: {realm: 'https://a/token', service: 'b', scope: 'x:y:pull,push'}},
      {scheme: 'basic', parameters: {realm: 'say "hi"'}},
    ]);
    expect(parseChallenges(['Negotiate', 'BASIC Realm=x'])).toEqual([
      {scheme: 'negotiate', parameters: {}},
      {scheme: 'basic', parameters: {realm: 'x'}},
    ]);
  });

  test('that make no sense are left out, however long', () => {
    expect(parseChallenges('')).toEqual([]);
    expect(parseChallenges(undefined)).toEqual([]);
    expect(parseChallenges('=="""')).toEqual([]);
    expect(parseChallenges(`${'a '.repeat(20_000)}"`).length).toBeGreaterThan(0);
  });
});

describe('with a password', () => {
  test('nothing is sent before the registry asks for it, and everything after', async () => {
    const registry = await startFakeRegistry({
      demand: ({headers}) => (headers.authorization === basic ? null : 'Basic realm="fake"'),
    });
    const client = await open(registry, ann);
    expect((await ask(client, pull)).status).toBe(404);
    expect((await ask(client, pull)).status).toBe(404);
    expect(registry.seen.map(({authorization}) => authorization)).toEqual([undefined, basic, basic]);
    await client.close();
  });

  test('a wrong one is sent once, refused clearly and not shown', async () => {
    const registry = await startFakeRegistry({demand: () => 'Basic realm="fake"'});
    const client = await open(registry, ann);
    const failure = await failureOf(ask(client, pull));
    expect(failure).toMatchObject({code: 'PERMISSION_DENIED', facts: {status: 401, registry: registry.host}});
    expect(registry.seen.length).toBe(2);
    expect(JSON.stringify([failure.message, failure.facts])).not.toMatch(/hush/);
    await client.close();
  });

  test('none is missed only where one is wanted', async () => {
    const registry = await startFakeRegistry({demand: () => 'Basic realm="fake"'});
    const failure = await failureOf(open(registry, null));
    expect(failure).toMatchObject({code: 'CREDENTIALS_MISSING', facts: {registry: registry.host}});
  });

  test('an unknown way of asking is named', async () => {
    const registry = await startFakeRegistry({demand: () => 'Negotiate'});
    const failure = await failureOf(open(registry, ann));
    expect(failure.code).toBe('PROVIDER_REFUSED');
    expect(failure.message).toContain('negotiate');
  });
});

describe('with tokens', () => {
  test('one is fetched for each set of scopes, with the password, and used again', async () => {
    const {registry, tokens} = await tokenRegistry();
    const client = await open(registry, ann);
    await Promise.all([ask(client, push), ask(client, push), ask(client, push)]);
    await ask(client, pull);
    await ask(client, push);
    expect(
      tokens.map(({query, authorization}) => [query.get('service'), query.getAll('scope'), authorization]),
    ).toEqual([
      ['fake registry', push, basic],
      ['fake registry', pull, basic],
    ]);
    const sent = registry.seen
      .filter(({url}) => url.startsWith('/v2/team'))
      .map((each) => each.authorization);
    expect(new Set(sent)).toEqual(new Set(['Bearer token-1', 'Bearer token-2']));
    await client.close();
  });

  test('nobody in particular gets one too', async () => {
    const {registry, tokens} = await tokenRegistry();
    const client = await open(registry, null);
    expect((await ask(client, pull)).status).toBe(404);
    expect(tokens[0]?.authorization).toBeUndefined();
    await client.close();
  });

  test('a new one is fetched shortly before the old one ends', async () => {
    const {registry, tokens} = await tokenRegistry(60);
    const clock = stillClock();
    const client = await open(registry, ann, clock);
    await ask(client, pull);
    clock.nowMs += 45_000;
    await ask(client, pull);
    expect(tokens.length).toBe(1);
    clock.nowMs += 6_000;
    await ask(client, pull);
    expect(tokens.length).toBe(2);
    await client.close();
  });

  test('a new one is fetched when the registry refuses the old one, once', async () => {
    const {registry, tokens} = await tokenRegistry(300, /^Bearer token-[23]$/);
    const client = await open(registry, ann);
    expect((await ask(client, pull)).status).toBe(404);
    expect(tokens.length).toBe(2);
    await client.close();
  });

  test('a registry that refuses every one is not asked for ever', async () => {
    const {registry, tokens} = await tokenRegistry(300, /never/);
    const client = await open(registry, ann);
    const failure = await failureOf(ask(client, pull));
    expect(failure.code).toBe('PERMISSION_DENIED');
    expect(tokens.length).toBe(2);
    expect(JSON.stringify([failure.message, failure.facts])).not.toMatch(/hush|token-/);
    await client.close();
  });

  test('an identity token is exchanged in a form', async () => {
    const {registry, tokens} = await tokenRegistry();
    const client = await open(registry, {kind: 'identity', token: 'long-lived'});
    await ask(client, push);
    const [post] = registry.seen.filter(({method}) => method === 'POST');
    expect([post?.url, tokens[0]?.authorization]).toEqual(['/token', undefined]);
    expect(post?.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(Object.fromEntries(new URLSearchParams(post?.body))).toEqual({
      grant_type: 'refresh_token',
      client_id: 'thaw',
      service: 'fake registry',
      scope: push[0],
      refresh_token: 'long-lived',
    });
    await client.close();
  });

  test.each([
    ['a token with a line break', JSON.stringify({token: 'a\r\nx: y'}), 'no token'],
    ['no JSON', 'sorry', 'no token'],
  ])('%s is refused', async (_, body, words) => {
    const registry = await startFakeRegistry();
    registry.set({
      demand: () => `Bearer realm="http://${registry.host}/token"`,
      other: (request, response) => {
        if (!request.url?.startsWith('/token')) return false;
        response.end(body);
        return true;
      },
    });
    const client = await open(registry, ann);
    const failure = await failureOf(ask(client, pull));
    expect(failure.code).toBe('PROVIDER_REFUSED');
    expect(failure.message).toContain(words);
    await client.close();
  });

  test('the password goes to no token server without https', async () => {
    const registry = await startFakeRegistry({demand: () => 'Bearer realm="ftp://example.com/token"'});
    const client = await open(registry, ann);
    expect((await failureOf(ask(client, pull))).message).toContain('not https');
    await client.close();
  });
});
