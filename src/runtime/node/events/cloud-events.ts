import {messageOf, RequestFailure} from '../failures.ts';
import {numberOf, objectOf, stringOf, type EventRecord, type GivenEvent, type ObjectChange} from './event.ts';
import {payloadOf, payloadOfBase64} from './payload.ts';

type Headers = {readonly [name: string]: string};
type Members = {readonly [member: string]: unknown};

/** What a request carried: events, or the question whether they may come. */
export type PushedEvents = {readonly given: readonly GivenEvent[]} | {readonly answer: unknown};

/** Whether a request carries events by what its headers say: CloudEvents, or Event Grid's own. */
export function carriesEvents(headers: Headers): boolean {
  return (
    headers['ce-specversion'] !== undefined ||
    headers['aeg-event-type'] !== undefined ||
    headers['content-type']?.startsWith('application/cloudevents') === true
  );
}

/**
 * Reads the events of such a request: CloudEvents in the binary, structured or batched mode of their HTTP binding
 * (Cloud Storage and Pub/Sub through Eventarc, Event Grid), or Event Grid's own schema.
 *
 * @throws RequestFailure 400 BAD_JSON
 */
export function readPushedEvents(headers: Headers, body: Uint8Array): PushedEvents {
  if (headers['ce-specversion'] !== undefined) return {given: [givenOf(binaryEvent(headers, body))]};
  const parsed = parseEvents(body);
  const events = (Array.isArray(parsed) ? parsed : [parsed]).map((event) => objectOf(event) ?? {});
  if (headers['aeg-event-type'] === 'SubscriptionValidation') {
    return {answer: {validationResponse: objectOf(events[0]?.['data'])?.['validationCode']}};
  }
  return {given: events.map(givenOf)};
}

/**
 * The message of a Pub/Sub push subscription, which comes as plain JSON under no header of its own.
 *
 * @returns null for any other input
 */
export function pushedMessage(input: unknown): GivenEvent | null {
  const envelope = objectOf(input);
  const message = objectOf(envelope?.['message']);
  if (envelope === null || message === null) return null;
  if (stringOf(envelope['subscription'])?.startsWith('projects/') !== true) return null;
  if (stringOf(message['messageId'] ?? message['message_id']) === null) return null;
  return messageOfPubSub(envelope, message);
}

/** Decodes one event that came to the functions host or over HTTP, in either of the two schemas. */
export function decodeGridEvent(event: Members): EventRecord & {readonly source: string} {
  return {...givenOf(event), id: stringOf(event['id'])};
}

/** In the binary mode headers hold the attributes and the body holds the data. */
function binaryEvent(headers: Headers, body: Uint8Array): Members {
  const attributes = Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith('ce-') ? [[name.slice(3), value] as const] : [],
  );
  const json = /^[^;]*[/+]json\b/i.test(headers['content-type'] ?? '');
  const data = body.byteLength === 0 ? null : json ? parseEvents(body) : payloadOf(body);
  return {...Object.fromEntries(attributes), data};
}

function parseEvents(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body)) as unknown;
  } catch (error) {
    throw new RequestFailure(400, 'BAD_JSON', `the event is not JSON: ${messageOf(error)}`);
  }
}

function givenOf(event: Members): GivenEvent {
  const type = stringOf(event['type'] ?? event['eventType']) ?? '';
  const data = dataOf(event);
  const members = objectOf(data);
  if (type.startsWith('google.cloud.storage.object.') && members !== null) {
    return {source: 'cloud-storage', input: storedObject(type, members), event};
  }
  const message = objectOf(members?.['message']);
  if (type === 'google.cloud.pubsub.topic.v1.messagePublished' && message !== null) {
    return messageOfPubSub(event, message);
  }
  const blob = type.startsWith('Microsoft.Storage.Blob') ? storedBlob(type, members) : null;
  if (blob !== null) return {source: 'blob', input: blob, event};
  return {source: event['specversion'] === undefined ? 'event-grid' : 'cloud-events', input: data, event};
}

function dataOf(event: Members): unknown {
  const base64 = stringOf(event['data_base64']);
  return base64 === null ? (event['data'] ?? null) : payloadOfBase64(base64);
}

function messageOfPubSub(event: Members, message: Members): GivenEvent {
  return {source: 'pubsub', input: payloadOfBase64(stringOf(message['data']) ?? ''), event};
}

function storedObject(type: string, data: Members): ObjectChange {
  return {
    bucket: stringOf(data['bucket']) ?? '',
    key: stringOf(data['name']) ?? '',
    size: numberOf(data['size']),
    eTag: stringOf(data['etag']),
    type,
  };
}

/** A blob is named by its URL alone: the first part of the path is its container. */
function storedBlob(type: string, data: Members | null): ObjectChange | null {
  const path = /^https?:\/\/[^/]+\/([^/]+)\/(.+)$/.exec(stringOf(data?.['url']) ?? '');
  const [, bucket, key] = path ?? [];
  if (data === null || bucket === undefined || key === undefined) return null;
  return {
    bucket,
    key: decodedPath(key),
    size: numberOf(data['contentLength']),
    eTag: stringOf(data['eTag']),
    type,
  };
}

function decodedPath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
