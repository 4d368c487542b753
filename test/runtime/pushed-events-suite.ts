// What every runtime does with events that are pushed over HTTP.
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import type {RunningServer} from '../instance.ts';
import type {RuntimeUnderTest} from './runtime-under-test.ts';

interface Seen {
  readonly status: number;
  readonly body: unknown;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** As Eventarc sends it: attributes in headers, data in the body. */
const attributes = (type: string): {[name: string]: string} => ({
  'ce-id': '1096434104173400',
  'ce-source': '//example.googleapis.com/projects/demo',
  'ce-specversion': '1.0',
  'ce-type': type,
  'ce-time': '2026-03-12T19:03:58Z',
  'content-type': 'application/json; charset=utf-8',
});

const STORED = {
  bucket: 'photos',
  name: 'in/a b.json',
  generation: '1587627537231057',
  size: '1024',
  etag: 'CJC=',
  contentType: 'application/json',
};

const message = (text: string): object => ({
  message: {
    attributes: {kind: 'test'},
    data: base64(text),
    messageId: '2070443601311540',
    publishTime: '2026-03-12T19:03:58Z',
  },
  subscription: 'projects/demo/subscriptions/thaw',
});

const CREATED = {
  id: '831e1650-001e-001b-66ab-eeb76e069631',
  topic: '/subscriptions/0/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/acc',
  subject: '/blobServices/default/containers/photos/blobs/in/a b.json',
  eventType: 'Microsoft.Storage.BlobCreated',
  eventTime: '2026-03-12T19:03:58Z',
  data: {
    api: 'PutBlob',
    eTag: '0x8D4BCC2E4835CD0',
    contentType: 'application/json',
    contentLength: 1024,
    blobType: 'BlockBlob',
    url: 'https://acc.blob.core.windows.net/photos/in/a%20b.json',
  },
  dataVersion: '',
  metadataVersion: '1',
};

/**
 * Declares the tests of one runtime.
 *
 * @param handler answers what it was given, of bytes the numbers, fails on `throw` and gives nothing on `nothing`
 */
export function testPushedEvents(runtime: RuntimeUnderTest, handler: string): void {
  let server: RunningServer;
  let threaded: RunningServer;
  beforeAll(async () => {
    const start = async (env: {[name: string]: string}): Promise<RunningServer> =>
      runtime.start(await runtime.lay(handler), env);
    [server, threaded] = await Promise.all([start({}), start({THAW_CONCURRENCY: '4'})]);
  });
  afterAll(async () => {
    await Promise.all([server.stop(), threaded.stop()]);
  });

  async function push(
    headers: {[name: string]: string},
    body: unknown,
    to: RunningServer = server,
  ): Promise<Seen> {
    const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
    const response = await fetch(to.url, {method: 'POST', headers, body: text as string});
    expect(response.headers.get('thaw-boot')).toBe(to.bootId);
    return {status: response.status, body: await response.json()};
  }

  describe('an event that is pushed over HTTP', () => {
    it('of Cloud Storage is an object that changed', async () => {
      const type = 'google.cloud.storage.object.v1.finalized';
      const input = {bucket: 'photos', key: 'in/a b.json', size: 1024, eTag: 'CJC=', type};
      const binary = await push(attributes(type), STORED);
      expect(binary).toMatchObject({
        status: 200,
        body: {source: 'cloud-storage', input, event: {type, id: '1096434104173400', data: STORED}},
      });
      const event = {specversion: '1.0', id: '1', source: '//storage', type, data: STORED};
      const structured = await push({'content-type': 'application/cloudevents+json; charset=utf-8'}, event);
      expect(structured).toEqual({status: 200, body: {source: 'cloud-storage', input, event}});
    });

    it('of Pub/Sub is its message, through Eventarc as by a push subscription', async () => {
      const type = 'google.cloud.pubsub.topic.v1.messagePublished';
      expect(await push(attributes(type), message('{"n": 1}'))).toMatchObject({
        status: 200,
        body: {source: 'pubsub', input: {n: 1}, event: {type}},
      });
      for (const to of [server, threaded]) {
        const headers = {'content-type': 'application/json'};
        expect(await push(headers, message('just text'), to)).toEqual({
          status: 200,
          body: {source: 'pubsub', input: 'just text', event: message('just text')},
        });
      }
      const binary = {
        ...message(''),
        message: {messageId: '1', data: Buffer.from([0, 255]).toString('base64')},
      };
      expect(await push({}, binary)).toMatchObject({body: {input: {bytes: [0, 255]}}});
    });

    it('is not what merely looks like a message', async () => {
      for (const input of [
        {message: {data: 'x'}, subscription: 'monthly'},
        {message: 'hello'},
        {message: null},
      ]) {
        expect(await push({}, input)).toMatchObject({body: {source: 'http', input, event: null}});
      }
    });

    it('that fails is answered with an error, so that it is sent again', async () => {
      expect(await push({}, message('throw'))).toMatchObject({
        status: 500,
        body: {error: {code: 'HANDLER_FAILED'}},
      });
      expect(await push({}, message('nothing'))).toEqual({status: 200, body: null});
      expect(await push(attributes('x.y'), '{"half')).toMatchObject({
        status: 400,
        body: {error: {code: 'BAD_JSON'}},
      });
      expect(await push({'content-type': 'application/cloudevents+json'}, '')).toMatchObject({status: 400});
    });

    it('of Event Grid is a blob or what its data say, in either schema, one at a time', async () => {
      const blob = {
        bucket: 'photos',
        key: 'in/a b.json',
        size: 1024,
        eTag: '0x8D4BCC2E4835CD0',
        type: 'Microsoft.Storage.BlobCreated',
      };
      const notification = {'aeg-event-type': 'Notification', 'content-type': 'application/json'};
      expect(await push(notification, [CREATED])).toEqual({
        status: 200,
        body: {source: 'blob', input: blob, event: CREATED},
      });
      const other = {...CREATED, eventType: 'Contoso.Ordered', data: {n: 1}};
      expect(await push(notification, [CREATED, other])).toMatchObject({
        body: [
          {source: 'blob', input: blob},
          {source: 'event-grid', input: {n: 1}},
        ],
      });
      const {eventType, ...rest} = CREATED;
      const event = {...rest, specversion: '1.0', type: eventType};
      expect(await push({'content-type': 'application/cloudevents+json'}, event)).toMatchObject({
        body: {source: 'blob', input: blob},
      });
      const batch = {'content-type': 'application/cloudevents-batch+json'};
      expect(await push(batch, [event, {...event, type: 'x.y'}])).toMatchObject({
        body: [{source: 'blob'}, {source: 'cloud-events', input: CREATED.data}],
      });
    });

    it('that asks whether events may come is answered without a prediction', async () => {
      const asking = {'aeg-event-type': 'SubscriptionValidation'};
      const event = {...CREATED, eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent'};
      expect(await push(asking, [{...event, data: {validationCode: '512d38b6'}}])).toEqual({
        status: 200,
        body: {validationResponse: '512d38b6'},
      });
      const response = await fetch(server.url, {
        method: 'OPTIONS',
        headers: {'webhook-request-origin': 'eventgrid.azure.net'},
      });
      expect(response.status).toBe(200);
      expect(response.headers.get('webhook-allowed-origin')).toBe('eventgrid.azure.net');
      expect(response.headers.get('thaw-ordinal')).toBeNull();
      await response.text();
      expect((await fetch(server.url, {method: 'OPTIONS'})).status).toBe(405);
    });

    it('of nobody known gives its data, whatever they are', async () => {
      expect(await push({...attributes('x.y'), 'content-type': 'text/plain'}, 'words')).toMatchObject({
        body: {source: 'cloud-events', input: 'words'},
      });
      const bytes = {...attributes('x.y'), 'content-type': 'application/octet-stream'};
      expect(await push(bytes, Uint8Array.of(1, 0xff))).toMatchObject({body: {input: {bytes: [1, 255]}}});
      const encoded = {specversion: '1.0', id: '1', source: '/', type: 'x.y', data_base64: base64('{"n":2}')};
      expect(await push({'content-type': 'application/cloudevents+json'}, encoded)).toMatchObject({
        body: {input: {n: 2}},
      });
      for (const odd of [
        'null',
        '[]',
        '[null]',
        '7',
        '{"type":7}',
        '{"specversion":"1.0","type":"google.cloud.storage.object.v1.finalized"}',
      ]) {
        expect((await push({'content-type': 'application/cloudevents+json'}, odd)).status).toBe(200);
      }
    });
  });
}
