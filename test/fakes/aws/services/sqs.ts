import type * as Sqs from '@aws-sdk/client-sqs';
import type {Cloud, Handlers, Service} from '../cloud.ts';
import {Refusal} from '../refusal.ts';
import {jsonRpc} from '../wire/json-rpc.ts';

/** Queues that somebody else made. */
export interface Queues {
  plant(name: string, attributes?: {readonly [name: string]: string}): string;
  /** By its ARN; null: there is none. */
  attributes(arn: string): {readonly [name: string]: string} | null;
}

const DEFAULTS = {VisibilityTimeout: '30'};

export function createSqs({account, origin}: Cloud): Service & Queues {
  const queues = new Map<string, {readonly [name: string]: string}>();
  const urlOf = (name: string): string => `${origin()}/${account.id}/${name}`;
  const arnOf = (name: string): string => account.arn('sqs', name);
  const nameIn = (url: unknown): string => String(url).split('/').at(-1) ?? '';

  const find = (name: string): {readonly [name: string]: string} => {
    const found = queues.get(name);
    if (found === undefined) throw new Refusal('QueueDoesNotExist', 'The specified queue does not exist.');
    return found;
  };

  const handlers: Handlers = {
    GetQueueUrl({QueueName = ''}: Sqs.GetQueueUrlRequest): Sqs.GetQueueUrlResult {
      find(QueueName);
      return {QueueUrl: urlOf(QueueName)};
    },
    GetQueueAttributes({
      QueueUrl,
      AttributeNames = [],
    }: Sqs.GetQueueAttributesRequest): Sqs.GetQueueAttributesResult {
      const name = nameIn(QueueUrl);
      const all = {QueueArn: arnOf(name), ...DEFAULTS, ...find(name)};
      const wanted = (each: string): boolean =>
        (AttributeNames as string[]).some((name) => name === 'All' || name === each);
      return {Attributes: Object.fromEntries(Object.entries(all).filter(([each]) => wanted(each)))};
    },
  };

  return {
    scope: 'sqs',
    prefix: 'sqs',
    loadClient: () => import('@aws-sdk/client-sqs'),
    protocol: (client) => jsonRpc(client, 'AmazonSQS', '1.0'),
    throttled: {type: 'RequestThrottled', status: 400, message: 'Request is throttled.'},
    handlers,
    resourceOf: (_, {QueueUrl, QueueName}) =>
      arnOf(typeof QueueName === 'string' ? QueueName : nameIn(QueueUrl)),
    inventory: () => [],
    attributes(arn) {
      const found = queues.get(arn.split(':').at(-1) ?? '');
      return found === undefined ? null : {...DEFAULTS, ...found};
    },
    plant(name, attributes = {}) {
      queues.set(name, attributes);
      return arnOf(name);
    },
  };
}
