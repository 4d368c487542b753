// Events, and what becomes of them where somebody sends something else.
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
export function* mangled(value: unknown): Generator {
  yield* ODD;
  if (typeof value !== 'object' || value === null) return;
  for (const key of Object.keys(value)) {
    for (const odd of mangled((value as {[member: string]: unknown})[key])) {
      yield Array.isArray(value) ? value.with(Number(key), odd) : {...value, [key]: odd};
    }
  }
}

/** Events of AWS, by what they are. */
export const AWS_EVENTS = {
  'an HTTP request': httpEvent('POST', '/', {n: 1}),
  'a REST request': restEvent('POST', '/', {n: 1}),
  "a load balancer's request": loadBalancerEvent('POST', '/', {n: 1}, true),
  'an object': s3Event('in/a b.json'),
  messages: sqsEvent([{n: 1}, 'text'], 'orders.fifo'),
  'a stream': kinesisEvent([{n: 1}]),
  'a row': dynamoEvent(),
  'a schedule': scheduleEvent(),
};

/** What the host of Azure Functions sends. */
export const TRIGGER = {
  data: {events: [{eventType: 'x', data: {url: 'https://h/c/b'}}, '{"n":1}']},
  metadata: {BlobTrigger: 'c/b', Properties: {ETag: 'x'}, SequenceNumberArray: [1], LockToken: 'x'},
};

/** Events that are pushed over HTTP. */
export const PUSHED = [
  {
    specversion: '1.0',
    type: 'google.cloud.pubsub.topic.v1.messagePublished',
    data: {message: {data: 'e30=', messageId: '1'}, subscription: 'projects/p/subscriptions/s'},
  },
  {
    type: 'google.cloud.storage.object.v1.finalized',
    data: {bucket: 'b', name: 'n', size: '1'},
  },
  {
    eventType: 'Microsoft.Storage.BlobCreated',
    data: {url: 'https://h/c/%zz', contentLength: 1},
  },
];

/** Headers that say that a body is made of events. */
export const PUSHING = [
  {'content-type': 'application/cloudevents+json'},
  {'aeg-event-type': 'SubscriptionValidation'},
];
