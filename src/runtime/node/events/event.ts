/** What `predict` is given of one event: a message, a changed object, a row. */
export interface GivenEvent {
  /** Where it came from: `sqs`, `s3`, `pubsub`, … */
  readonly source: string;
  readonly input: unknown;
  /** The event as it came. */
  readonly event: unknown;
}

/** One record of an event. */
export interface EventRecord {
  readonly input: unknown;
  readonly event: unknown;
  /** How the platform calls it when it is told that it failed. */
  readonly id: string | null;
}

/** An event of a platform, decoded. Its records are predicted one at a time, in order. */
export interface SourceEvent {
  readonly source: string;
  readonly records: readonly EventRecord[];
  /**
   * What a failed record means for the others: of a queue each fails by itself; of a stream, or a queue that keeps the
   * order, the first one ends the batch; without partial failures the event fails as a whole.
   */
  readonly failing: 'alone' | 'rest' | 'stream' | 'whole';
}

/** An object of an object store that was made, changed or removed, the same for every store. */
export interface ObjectChange {
  readonly bucket: string;
  /** Its name, decoded. */
  readonly key: string;
  /** Bytes; null where the event does not say, as for what was removed. */
  readonly size: number | null;
  readonly eTag: string | null;
  /** What happened, in the store's own words. */
  readonly type: string;
}

/** A JSON object, or null. */
export function objectOf(value: unknown): {readonly [member: string]: unknown} | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as {readonly [member: string]: unknown})
    : null;
}

/** A string, or null. */
export function stringOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** A number that is there, or stands there as text; else null. */
export function numberOf(value: unknown): number | null {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && value !== '' && Number.isFinite(Number(value)) ? Number(value) : null;
}
