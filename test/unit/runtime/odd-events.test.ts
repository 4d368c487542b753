import {describe, expect, it} from 'vitest';
import {decodeAwsEvent} from '../../../src/runtime/node/events/aws.ts';
import {decodeTrigger} from '../../../src/runtime/node/events/azure.ts';
import {
  carriesEvents,
  pushedMessage,
  readPushedEvents,
} from '../../../src/runtime/node/events/cloud-events.ts';
import {readHttpEvent, renderHttpAnswer} from '../../../src/runtime/node/lambda/http-event.ts';
import {
  dynamoEvent,
  httpEvent,
  kinesisEvent,
  loadBalancerEvent,
  restEvent,
  s3Event,
  scheduleEvent,
  sqsEvent,
} from './lambda-events.ts';

/** What nobody expects in the place of anything. */
const ODD: readonly unknown[] = [
  null,
  undefined,
  0,
  -1,
  true,
  '',
  '%',
  'ü\u0000',
  [],
  [null],
  {},
  {S: null},
  {toString: 1},
];

/** A value with every part of it, one after the other, replaced by something odd. */
function* mangled(value: unknown): Generator {
  yield* ODD;
  if (typeof value !== 'object' || value === null) return;
  for (const key of Object.keys(value)) {
    for (const odd of mangled((value as {[member: string]: unknown})[key])) {
      yield Array.isArray(value) ? value.with(Number(key), odd) : {...value, [key]: odd};
    }
  }
}

const AWS = {
  'an HTTP request': httpEvent('POST', '/', {n: 1}),
  'a REST request': restEvent('POST', '/', {n: 1}),
  "a load balancer's request": loadBalancerEvent('POST', '/', {n: 1}, true),
  'an object': s3Event('in/a b.json'),
  messages: sqsEvent([{n: 1}, 'text'], 'orders.fifo'),
  'a stream': kinesisEvent([{n: 1}]),
  'a row': dynamoEvent(),
  'a schedule': scheduleEvent(),
};

describe('an event that is not as documented', () => {
  it.each(Object.entries(AWS))('is still read or left alone: %s', (_what, event) => {
    let read = 0;
    for (const odd of mangled(event)) {
      const request = readHttpEvent(odd);
      if (request !== null) {
        read += 1;
        const answer = JSON.parse(renderHttpAnswer(request, 200, '{}', {a: 'b'})) as {statusCode: number};
        expect(answer.statusCode).toBe(200);
        for (const value of Object.values(request.headers)) expect(typeof value).toBe('string');
      }
      const decoded = decodeAwsEvent(odd);
      if (decoded === null) continue;
      read += 1;
      for (const {id} of decoded.records) expect(id === null || typeof id === 'string').toBe(true);
    }
    expect(read).toBeGreaterThan(10);
  });

  it('is still read when the host of Azure Functions sends it', () => {
    const data = {events: [{eventType: 'x', data: {url: 'https://h/c/b'}}, '{"n":1}']};
    const metadata = {BlobTrigger: 'c/b', Properties: {ETag: 'x'}, SequenceNumberArray: [1], LockToken: 'x'};
    for (const odd of mangled({data, metadata})) {
      const given = odd as {data?: object; metadata?: object} | null;
      const {records} = decodeTrigger({...given?.data}, {...given?.metadata});
      expect(Array.isArray(records)).toBe(true);
    }
  });

  it('is still read when it is pushed', () => {
    const event = {
      specversion: '1.0',
      type: 'google.cloud.pubsub.topic.v1.messagePublished',
      data: {message: {data: 'e30=', messageId: '1'}, subscription: 'projects/p/subscriptions/s'},
    };
    const stored = {
      type: 'google.cloud.storage.object.v1.finalized',
      data: {bucket: 'b', name: 'n', size: '1'},
    };
    const blob = {
      eventType: 'Microsoft.Storage.BlobCreated',
      data: {url: 'https://h/c/%zz', contentLength: 1},
    };
    for (const sample of [event, stored, blob]) {
      for (const odd of mangled(sample)) {
        pushedMessage((odd as {data?: unknown} | null | undefined)?.data);
        const body = Buffer.from(JSON.stringify(odd) ?? 'null');
        for (const headers of [
          {'content-type': 'application/cloudevents+json'},
          {'aeg-event-type': 'SubscriptionValidation'},
        ]) {
          expect(carriesEvents(headers)).toBe(true);
          expect(readPushedEvents(headers, body)).toBeTypeOf('object');
        }
      }
    }
  });
});
