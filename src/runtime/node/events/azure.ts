import {decodeGridEvent} from './cloud-events.ts';
import {numberOf, objectOf, stringOf, type EventRecord, type ObjectChange} from './event.ts';
import {payloadOfText} from './payload.ts';

type Members = {readonly [member: string]: unknown};

/** A trigger of Azure Functions, decoded. */
export interface TriggerEvent {
  readonly source: string;
  readonly records: readonly EventRecord[];
}

/**
 * Decodes what the host of Azure Functions hands to a custom handler. It says of no trigger what it is, so that the
 * members tell; values come as they are, or as JSON in a string, or as that in a string again.
 */
export function decodeTrigger(data: Members, metadata: Members): TriggerEvent {
  const event = {Data: data, Metadata: metadata};
  const [value] = Object.values(data).map(unwrapped);
  const has = (...names: string[]): boolean => names.some((name) => metadata[name] !== undefined);
  const one = (source: string, input: unknown): TriggerEvent => ({
    source,
    records: [{input, event, id: null}],
  });

  if (has('BlobTrigger')) return one('blob', changedBlob(metadata));
  if (has('PartitionContext', 'SequenceNumberArray') || (has('SequenceNumber') && has('Offset'))) {
    const records = Array.isArray(value) ? value.map(unwrapped) : [value];
    return {source: 'event-hubs', records: records.map((input) => ({input, event, id: null}))};
  }
  const events = (Array.isArray(value) ? value : [value]).map((member) => objectOf(unwrapped(member)));
  const grid = events
    .filter((member) => member !== null)
    .filter(isGridEvent)
    .map(decodeGridEvent);
  const [first] = grid;
  if (first !== undefined && grid.length === events.length) return {source: first.source, records: grid};
  if (objectOf(value)?.['ScheduleStatus'] !== undefined || objectOf(value)?.['IsPastDue'] !== undefined) {
    return one('schedule', value);
  }
  if (has('LockToken', 'DeliveryCount')) return one('service-bus', value);
  return one(has('DequeueCount') ? 'storage-queue' : 'azure', value);
}

const isGridEvent = (event: Members): boolean =>
  stringOf(event['eventType']) !== null || stringOf(event['specversion']) !== null;

/** A value out of its strings. */
export function unwrapped(value: unknown): unknown {
  const once = typeof value === 'string' ? payloadOfText(value) : value;
  return typeof once === 'string' ? payloadOfText(once) : once;
}

function changedBlob(metadata: Members): ObjectChange {
  const path = stringOf(unwrapped(metadata['BlobTrigger'])) ?? '';
  const slash = path.indexOf('/');
  const properties = objectOf(unwrapped(metadata['Properties']));
  return {
    bucket: path.slice(0, Math.max(0, slash)),
    key: path.slice(slash + 1),
    size: numberOf(properties?.['ContentLength'] ?? properties?.['Length']),
    eTag: stringOf(properties?.['ETag']),
    type: 'blobTrigger',
  };
}
