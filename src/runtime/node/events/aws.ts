import {plainItem} from './attribute-value.ts';
import {numberOf, objectOf, stringOf, type ObjectChange, type SourceEvent} from './event.ts';
import {payloadOfBase64, payloadOfText} from './payload.ts';

type Members = {readonly [member: string]: unknown};

/**
 * Decodes what AWS's own services send: S3, SQS, Kinesis, DynamoDB streams, EventBridge.
 *
 * @returns null for everything else
 */
export function decodeAwsEvent(event: unknown): SourceEvent | null {
  const members = objectOf(event);
  if (members === null) return null;
  if (!Array.isArray(members['Records'])) return decodeEventBridge(members);
  const records = members['Records'].map(objectOf);
  if (!records.every((record) => record !== null)) return null;
  const [source, ...others] = new Set(records.map((record) => record['eventSource']));
  if (others.length > 0) return null;
  switch (source) {
    case 'aws:s3':
      return {source: 's3', failing: 'whole', records: records.map(s3Record)};
    case 'aws:sqs': {
      const failing = stringOf(records[0]?.['eventSourceARN'])?.endsWith('.fifo') ? 'rest' : 'alone';
      return {source: 'sqs', failing, records: records.map(sqsRecord)};
    }
    case 'aws:kinesis':
      return {source: 'kinesis', failing: 'stream', records: records.map(kinesisRecord)};
    case 'aws:dynamodb':
      return {source: 'dynamodb', failing: 'stream', records: records.map(dynamoRecord)};
    default:
      return null;
  }
}

type AwsRecord = SourceEvent['records'][number];

function s3Record(record: Members): AwsRecord {
  const s3 = objectOf(record['s3']);
  const object = objectOf(s3?.['object']);
  const input: ObjectChange = {
    bucket: stringOf(objectOf(s3?.['bucket'])?.['name']) ?? '',
    key: decodedKey(stringOf(object?.['key']) ?? ''),
    size: numberOf(object?.['size']),
    eTag: stringOf(object?.['eTag']),
    type: stringOf(record['eventName']) ?? '',
  };
  return {input, event: record, id: null};
}

/** Keys come as in a form: `+` for a space. */
function decodedKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    return key;
  }
}

function sqsRecord(record: Members): AwsRecord {
  return {
    input: payloadOfText(stringOf(record['body']) ?? ''),
    event: record,
    id: stringOf(record['messageId']),
  };
}

function kinesisRecord(record: Members): AwsRecord {
  const kinesis = objectOf(record['kinesis']);
  return {
    input: payloadOfBase64(stringOf(kinesis?.['data']) ?? ''),
    event: record,
    id: stringOf(kinesis?.['sequenceNumber']),
  };
}

function dynamoRecord(record: Members): AwsRecord {
  const change = objectOf(record['dynamodb']);
  return {
    input: {
      type: stringOf(record['eventName']) ?? '',
      keys: plainItem(change?.['Keys']),
      newImage: plainItem(change?.['NewImage']),
      oldImage: plainItem(change?.['OldImage']),
    },
    event: record,
    id: stringOf(change?.['SequenceNumber']),
  };
}

function decodeEventBridge(event: Members): SourceEvent | null {
  const type = stringOf(event['detail-type']);
  if (type === null || stringOf(event['source']) === null || !('detail' in event)) return null;
  const source = type === 'Scheduled Event' ? 'schedule' : 'eventbridge';
  return {source, failing: 'whole', records: [{input: event['detail'], event, id: null}]};
}
