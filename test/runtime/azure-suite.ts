// What every runtime does as a custom handler of Azure Functions.
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import type {RunningServer} from '../instance.ts';
import type {RuntimeUnderTest} from './runtime-under-test.ts';

const ROW = {inputs: [{name: 'features', shape: [1, 4], datatype: 'FP32', data: [1, 1, 1, 1]}]};

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** As the host wraps every trigger but a forwarded request. */
const envelope = (name: string, value: unknown, metadata: object = {}): object => ({
  Data: {[name]: value},
  Metadata: {sys: {MethodName: 'Score', UtcNow: '2026-03-12T19:03:58Z', RandGuid: '8b1f'}, ...metadata},
});

/**
 * Declares the tests of one runtime.
 *
 * @param handler predicts the score on `{do: 'score', features}`, fails on `{do: 'throw'}` because the dog ate it, and
 *   otherwise writes `{"seen": input}` and answers what it was given
 */
export function testAzure(runtime: RuntimeUnderTest, handler: string): void {
  let server: RunningServer;
  beforeAll(async () => {
    const dir = await runtime.lay(handler);
    server = await runtime.start(dir, {FUNCTIONS_CUSTOMHANDLER_PORT: '0', PORT: '1'});
  });
  afterAll(() => server.stop());

  async function ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(server.url + path, {
      method,
      headers: {'content-type': 'application/json', 'x-azure-functions-invocationid': '0b1c'},
      ...(body === undefined ? {} : {body: JSON.stringify(body)}),
    });
    return {status: response.status, headers: response.headers, body: await response.json()};
  }

  describe('a request that the host forwards', () => {
    it.each(['/', '/api/score', '/api/score?a=1', '/api/'])(
      'is predicted at %s, with evidence',
      async (path) => {
        const answer = await ask('POST', path, {do: 'score', features: [1, 1, 1, 1]});
        expect(answer).toMatchObject({status: 200, body: 10.5});
        expect(answer.headers.get('thaw-boot')).toBe(server.bootId);
      },
    );

    it('finds every other route behind the same prefixes', async () => {
      for (const prefix of ['', '/api', '/api/score']) {
        expect((await ask('POST', `${prefix}/v2/models/demo/infer`, ROW)).body).toMatchObject({
          model_name: 'demo',
        });
        expect((await ask('GET', `${prefix}/v2/models/demo`)).body).toMatchObject({name: 'demo'});
        const health = await ask('GET', `${prefix}/healthz`);
        expect(health).toMatchObject({status: 200, body: {status: 'ok'}});
        expect(health.headers.get('thaw-ordinal')).toBeNull();
      }
      expect(await ask('GET', '/api/score')).toMatchObject({status: 405});
      expect(await ask('GET', '/score')).toMatchObject({status: 404});
      expect(await ask('POST', '/api/a/b/c', {})).toMatchObject({status: 404});
      expect(await ask('POST', '/apiary', {n: 1})).toMatchObject({status: 200});
    });

    it('keeps its errors', async () => {
      expect(await ask('POST', '/api/score', {do: 'throw'})).toMatchObject({
        status: 500,
        body: {error: {code: 'HANDLER_FAILED'}},
      });
      expect(await ask('POST', '/api/score', {do: 'score', features: [1]})).toMatchObject({
        status: 422,
        body: {error: {code: 'WRONG_SHAPE', tensor: 'features'}},
      });
    });
  });

  describe('a request in an envelope', () => {
    const request = (method: string, url: string, body?: unknown): object =>
      envelope('req', {
        Url: `https://demo.azurewebsites.net${url}`,
        Method: method,
        Query: {},
        Headers: {Accept: ['a', 'b'], 'X-One': ['1']},
        Params: {},
        Identities: [],
        ...(body === undefined ? {} : {Body: body}),
      });

    it('gets its answer as an output, evidence included', async () => {
      const {status, body} = await ask(
        'POST',
        '/score',
        request('POST', '/api/score', JSON.stringify({n: 1})),
      );
      expect(status).toBe(200);
      const {res} = (body as {Outputs: {res: {headers: object; body: string}}}).Outputs;
      expect(res).toMatchObject({statusCode: 200, headers: {'thaw-boot': server.bootId}});
      expect(JSON.parse(res.body)).toMatchObject({
        input: {n: 1},
        source: 'http',
        headers: {accept: 'a, b', 'x-one': '1'},
      });
    });

    it('has the errors and routes of any other', async () => {
      const statusOf = async (enclosed: object): Promise<unknown> =>
        ((await ask('POST', '/score', enclosed)).body as {Outputs: {res: {statusCode: number}}}).Outputs.res
          .statusCode;
      expect(await statusOf(request('POST', '/api/score', '{"half'))).toBe(400);
      expect(await statusOf(request('POST', '/api/score'))).toBe(400);
      expect(await statusOf(request('POST', '/api/score', {do: 'throw'}))).toBe(500);
      expect(await statusOf(request('GET', '/api/score'))).toBe(405);
      expect(await statusOf(request('GET', '/api/nowhere/at/all'))).toBe(404);
      expect(await statusOf(request('GET', '/api/score/healthz'))).toBe(200);
      expect(await statusOf(request('GET', '/api/score/v2/models/demo'))).toBe(200);
    });
  });

  describe('another trigger', () => {
    const seen = async (given: object): Promise<unknown> => {
      const {status, body} = await ask('POST', '/score', given);
      expect(status).toBe(200);
      expect(body).toMatchObject({Outputs: {}, Logs: []});
      return (body as {ReturnValue: unknown}).ReturnValue;
    };

    it('gives what it carries to predict, out of however many strings', async () => {
      const metadata = {DequeueCount: '1', Id: '5d1e', QueueTrigger: '"in"'};
      for (const value of [{n: 1}, '{"n": 1}', JSON.stringify('{"n": 1}')]) {
        const given = envelope('item', value, metadata);
        expect(await seen(given)).toMatchObject({source: 'storage-queue', input: {n: 1}, event: given});
      }
      expect(await seen(envelope('item', 'no JSON', metadata))).toMatchObject({input: 'no JSON'});
      const bus = {DeliveryCount: '1', LockToken: 'x', MessageId: '1', SequenceNumber: '4'};
      expect(await seen(envelope('item', '{"n":2}', bus))).toMatchObject({
        source: 'service-bus',
        input: {n: 2},
      });
      const timer = {Schedule: {AdjustForDST: true}, ScheduleStatus: null, IsPastDue: false};
      expect(await seen(envelope('timer', timer))).toMatchObject({source: 'schedule', input: timer});
      expect(await seen(envelope('thing', {any: 'thing'}))).toMatchObject({
        source: 'azure',
        input: {any: 'thing'},
      });
      expect(await seen({Data: {}, Metadata: {}})).toMatchObject({source: 'azure'});
    });

    it('of a blob or of Event Grid is a changed object', async () => {
      const metadata = {
        BlobTrigger: 'photos/in/a b.json',
        Uri: '"https://acc.blob.core.windows.net/photos/in/a%20b.json"',
        Properties: {ETag: '"0x8D"', ContentLength: 1024},
        name: 'a b',
      };
      expect(await seen(envelope('blob', 'AAEC', metadata))).toMatchObject({
        source: 'blob',
        input: {bucket: 'photos', key: 'in/a b.json', size: 1024, eTag: '"0x8D"', type: 'blobTrigger'},
        event: {Data: {blob: 'AAEC'}},
      });
      const event = {
        id: '1',
        eventType: 'Microsoft.Storage.BlobCreated',
        subject: '/blobServices/default/containers/photos/blobs/a',
        data: {url: 'https://acc.blob.core.windows.net/photos/a', contentLength: 3, eTag: '0x1'},
      };
      for (const value of [event, JSON.stringify(event)]) {
        expect(await seen(envelope('event', value))).toMatchObject({
          source: 'blob',
          input: {bucket: 'photos', key: 'a', size: 3},
          event,
        });
      }
      const other = {specversion: '1.0', type: 'x.y', id: '1', source: '/', data: {n: 1}};
      expect(await seen(envelope('event', other))).toMatchObject({source: 'cloud-events', input: {n: 1}});
    });

    it('of Event Hubs gives its events one at a time, and fails with the first that does', async () => {
      const metadata = {PartitionContext: {}, SequenceNumberArray: [1, 2, 3], OffsetArray: ['1', '2', '3']};
      const hub = (...events: unknown[]): object => envelope('events', events, metadata);
      expect(await seen(hub('{"n":1}'))).toMatchObject({source: 'event-hubs', input: {n: 1}});
      expect(await seen(hub({n: 1}, '{"n":2}'))).toBeNull();
      expect(await seen(envelope('events', JSON.stringify([{n: 3}]), metadata))).toMatchObject({
        input: {n: 3},
      });
      const failed = await ask('POST', '/score', hub({n: 'before'}, {do: 'throw'}, {n: 'after'}));
      expect(failed).toMatchObject({
        status: 500,
        body: {Outputs: {}, Logs: ['a record of event-hubs failed: the dog ate it'], ReturnValue: null},
      });
      // The log is in order: with the line of a later request, everything before it is there.
      await ask('POST', '/score', hub({n: 'end'}));
      for (let attempt = 0; attempt < 1200 && !server.stdout.includes('{"seen":{"n":"end"}}'); attempt += 1) {
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
      expect(server.stdout).toContain('{"seen":{"n":"before"}}');
      expect(server.stdout).not.toContain('{"seen":{"n":"after"}}');
    });
  });
}
