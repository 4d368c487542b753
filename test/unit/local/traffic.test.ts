import {once} from 'node:events';
import {readFile, rm, writeFile} from 'node:fs/promises';
import {Agent, request as httpRequest, type IncomingMessage} from 'node:http';
import {connect} from 'node:net';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, describe, expect, it} from 'vitest';
import type {Json} from '../../../src/core/json.ts';
import {pathsOf} from '../../../src/providers/local/paths.ts';
import {bodyOf, eventually, makePackage, makeSite, type TestSite} from './site.ts';

let packageDir: string;
const sites: TestSite[] = [];
beforeAll(async () => {
  packageDir = await makePackage();
});
afterEach(async () => {
  await Promise.all(sites.splice(0).map((site) => site.cleanUp()));
});
afterAll(() => rm(packageDir, {recursive: true, force: true}));

async function newSite(options: Json = {}): Promise<TestSite> {
  const site = await makeSite(packageDir, options);
  sites.push(site);
  return site;
}

const portOf = async (site: TestSite): Promise<number> =>
  Number(new URL((await site.view()).status.deployment?.url ?? '').port);

interface Answered {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/** Sends one request; rejects if its connection breaks before the answer is whole. */
function send(port: number, agent: Agent, id: string, body: Json): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const headers = {'content-type': 'application/json', 'x-request-id': id};
    const sent = httpRequest({host: '127.0.0.1', port, agent, method: 'POST', headers}, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      answer.on('end', () => resolve({status: answer.statusCode ?? 0, headers: answer.headers, text}));
      answer.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(JSON.stringify(body));
  });
}

const OVERALL = 1000;
const AT_ONCE = 50;

/** Sends every request once, so many at a time; the outcome of each is its answer or the error of its connection. */
async function sendAll(
  port: number,
  onAnswer: (count: number) => void,
): Promise<Map<string, Answered | NodeJS.ErrnoException>> {
  const agent = new Agent({keepAlive: true, maxSockets: AT_ONCE});
  const outcomes = new Map<string, Answered | NodeJS.ErrnoException>();
  const ids = Array.from({length: OVERALL}, (_, nth) => `request-${nth}`);
  let answers = 0;
  const client = async (): Promise<void> => {
    for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
      try {
        outcomes.set(id, await send(port, agent, id, {log: `seen ${id}.`}));
        onAnswer(++answers);
      } catch (error) {
        outcomes.set(id, error as NodeJS.ErrnoException);
      }
    }
  };
  await Promise.all(Array.from({length: AT_ONCE}, client));
  agent.destroy();
  return outcomes;
}

/** What instances said they saw, once for each time. */
async function seenBy(site: TestSite): Promise<string[]> {
  const text = await readFile(pathsOf(site.stateDir, site.name).log, 'utf8');
  return [...text.matchAll(/seen (request-\d+)\./g)].map(([, id]) => id as string);
}

const isAnswer = (outcome: Answered | Error): outcome is Answered => 'status' in outcome;
const idIn = ({text}: Answered): string =>
  (JSON.parse(text) as {headers: {[name: string]: string}}).headers['x-request-id'] as string;

describe('a thousand requests, fifty at a time', () => {
  it('from zero are each answered once, with what belongs to it', {timeout: 120_000}, async () => {
    const site = await newSite();
    await site.deploy({maxInstances: 4, resources: {timeoutMs: 100_000}});
    const outcomes = await sendAll(await portOf(site), () => {});
    expect(outcomes.size).toBe(OVERALL);
    for (const [id, outcome] of outcomes) {
      if (!isAnswer(outcome)) throw outcome;
      expect(outcome.status).toBe(200);
      expect(outcome.headers['x-request-id']).toBe(id);
      expect(idIn(outcome)).toBe(id);
    }
    await eventually('the log is whole', async () => (await seenBy(site)).length >= OVERALL);
    const seen = await seenBy(site);
    expect(seen).toHaveLength(OVERALL);
    expect(new Set(seen)).toEqual(new Set(outcomes.keys()));
    expect((await site.pids()).instances.length).toBeLessThanOrEqual(4);
  });

  it(
    'are answered if they had come when SIGTERM came, and else never began',
    {timeout: 120_000},
    async () => {
      const site = await newSite();
      await site.deploy({maxInstances: 4, resources: {timeoutMs: 100_000}});
      const [gateway] = (await site.pids()).gateways;
      const outcomes = await sendAll(await portOf(site), (count) => {
        if (count === 300) process.kill(gateway as number, 'SIGTERM');
      });
      const answered = [...outcomes].filter(([, outcome]) => isAnswer(outcome) && outcome.status === 200);
      expect(answered.length).toBeGreaterThanOrEqual(300);
      for (const [id, outcome] of answered) expect(idIn(outcome as Answered)).toBe(id);

      await eventually('all is gone', async () => {
        const {gateways, instances} = await site.pids();
        return gateways.length + instances.length === 0;
      });
      const seen = await seenBy(site);
      expect(new Set(seen).size).toBe(seen.length);
      const answeredIds = new Set(answered.map(([id]) => id));
      expect(seen.filter((id) => !answeredIds.has(id))).toEqual([]);
      for (const [id, outcome] of outcomes) {
        if (answeredIds.has(id)) continue;
        const how = isAnswer(outcome) ? outcome.status : outcome.code;
        expect([503, 'ECONNREFUSED', 'ECONNRESET', 'EPIPE']).toContain(how);
      }
    },
  );
});

describe('fifty requests at once', () => {
  it(
    'that cannot share start fifty instances from none, and all are answered',
    {timeout: 180_000},
    async () => {
      const site = await newSite();
      await site.deploy({maxInstances: 50, resources: {timeoutMs: 170_000}});
      const go = join(site.stateDir, 'go');
      const answers = Promise.all(Array.from({length: 50}, () => site.post({holdUntil: go}, 170_000)));
      const fifty = async (): Promise<boolean> =>
        (await site.view()).status.instances?.filter(({state}) => state === 'busy').length === 50;
      await eventually('fifty are busy', fifty, 150_000);
      await writeFile(go, '');
      expect((await answers).map(({status}) => status)).toEqual(Array.from({length: 50}, () => 200));
      expect(new Set((await answers).map(({evidence}) => evidence?.bootId)).size).toBe(50);
      expect((await answers).every(({evidence}) => evidence?.ordinal === 1)).toBe(true);
    },
  );
});

describe('a large body', () => {
  it('goes to a free instance as it comes, and to one that must start when it is there', async () => {
    const site = await newSite();
    await site.deploy();
    const {url} = (await site.view()).status.deployment ?? {url: ''};
    const body = Buffer.alloc(30 * 2 ** 20, 0x20);
    for (const ordinal of ['1', '2']) {
      const answer = await fetch(url, {method: 'POST', body});
      expect(answer.headers.get('thaw-ordinal')).toBe(ordinal);
      expect(await answer.json()).toMatchObject({bytes: body.length});
    }
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 30; i++) yield body.subarray(0, 2 ** 20);
      await Promise.resolve();
    };
    const answer = await fetch(url, {method: 'POST', body: chunks(), duplex: 'half'});
    expect(await answer.json()).toMatchObject({bytes: body.length});
  });

  it('is not read from an instance faster than its client takes it', {timeout: 60_000}, async () => {
    const site = await newSite();
    await site.deploy({maxInstances: 1, resources: {concurrency: 2, timeoutMs: 60_000}});
    const port = await portOf(site);
    const all = 100 * 2 ** 20;
    const sent = httpRequest({host: '127.0.0.1', port, method: 'POST'});
    sent.end(JSON.stringify({flood: all}));
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    // Nobody reads: what the instance could write must come to a halt.
    let before = -1;
    await eventually('it stands still', async () => {
      const flooded = Number(bodyOf(await site.post())['flooded']);
      const stands = flooded > 0 && flooded === before;
      before = flooded;
      return stands;
    });
    expect(before).toBeLessThan(all / 2);
    let bytes = 0;
    for await (const chunk of answer as AsyncIterable<Buffer>) bytes += chunk.length;
    expect(bytes).toBe(all);
  });
});

describe('a client', () => {
  it('that goes away in the middle of an answer takes the work with it', async () => {
    const site = await newSite();
    await site.deploy({maxInstances: 1, resources: {concurrency: 2}});
    const sent = httpRequest({host: '127.0.0.1', port: await portOf(site), method: 'POST'});
    sent.on('error', () => {});
    sent.end(JSON.stringify({stream: 1_000_000}));
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    answer.on('error', () => {});
    await once(answer, 'data');
    expect(Number(bodyOf(await site.post())['open'])).toBe(2);
    sent.destroy();
    await eventually('the instance works on nothing else', async () => {
      return Number(bodyOf(await site.post())['open']) === 1;
    });
  });

  it('that asks first is told to go on, or that its body is too large', async () => {
    const site = await newSite();
    await site.deploy();
    const port = await portOf(site);
    const talk = async (length: number, body: string): Promise<string> => {
      const socket = connect(port, '127.0.0.1');
      let text = '';
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text === 'HTTP/1.1 100 Continue\r\n\r\n') socket.write(body);
      });
      socket.write(`POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nconnection: close\r\n`);
      socket.write(`content-length: ${length}\r\n\r\n`);
      await eventually('it is answered', async () => /^HTTP\/1\.1 [2-5]\d\d [^]*\}$/m.test(text));
      socket.destroy();
      return text;
    };
    const taken = await talk(2, '{}');
    expect(taken).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
    expect(taken).toContain('"bytes":2');
    const refused = await talk(2 ** 30, '');
    expect(refused).toMatch(/^HTTP\/1\.1 413 /);
    expect(refused).toContain('BODY_TOO_LARGE');
  });

  it('keeps its connection from one answer to the next', async () => {
    const site = await newSite();
    await site.deploy();
    const port = await portOf(site);
    const agent = new Agent({keepAlive: true, maxSockets: 1});
    let opened = 0;
    agent.on('free', (socket: {thawSeen?: boolean}) => {
      if (!socket.thawSeen) opened++;
      socket.thawSeen = true;
    });
    for (let i = 0; i < 5; i++) expect((await send(port, agent, `${i}`, {})).status).toBe(200);
    agent.destroy();
    expect(opened).toBe(1);
  });
});
