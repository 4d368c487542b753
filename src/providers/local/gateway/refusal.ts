/** Why the gateway itself answers a request instead of an instance. */
export type RefusalCode =
  | 'QUEUE_FULL'
  | 'QUEUE_TIMED_OUT'
  | 'INSTANCE_FAILED'
  | 'INSTANCE_DIED'
  | 'OUT_OF_MEMORY'
  | 'TIMED_OUT'
  | 'BODY_TOO_LARGE'
  | 'BAD_REQUEST'
  | 'STOPPING';

const STATUS: {readonly [code in RefusalCode]: number} = {
  QUEUE_FULL: 429,
  QUEUE_TIMED_OUT: 504,
  INSTANCE_FAILED: 502,
  INSTANCE_DIED: 502,
  OUT_OF_MEMORY: 502,
  TIMED_OUT: 504,
  BODY_TOO_LARGE: 413,
  BAD_REQUEST: 400,
  STOPPING: 503,
};

/** A request that gets no answer of an instance. The message goes to the client. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: RefusalCode;
  /** When trying again makes sense; null if nothing is known of that. */
  readonly retryAfterMs: number | null;

  constructor(code: RefusalCode, message: string, retryAfterMs: number | null = null) {
    super(message);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }

  /** The HTTP status: 503 where the same request may succeed later without anybody doing anything. */
  get status(): number {
    return this.code === 'INSTANCE_FAILED' && this.retryAfterMs !== null ? 503 : STATUS[this.code];
  }
}
