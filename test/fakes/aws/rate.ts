import type {SkippingClock} from './clock.ts';

/**
 * What Lambda takes of requests in a second: so many to its control plane in all, more of the cheapest reads, and
 * any number of invocations (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
 */
const GET_FUNCTION_PER_SECOND = 100;

/** Lets requests through at a rate, by a clock; what was not used within a second is gone. */
export class Rate {
  readonly #clock: SkippingClock;
  readonly #perSecond: number;
  readonly #taken = new Map<'reads' | 'rest', number[]>();

  constructor(clock: SkippingClock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /** Whether a request goes through. */
  take(operation: string): boolean {
    if (!operation.startsWith('lambda:') || operation === 'lambda:Invoke') return true;
    const kind = operation === 'lambda:GetFunction' ? 'reads' : 'rest';
    const limit = kind === 'reads' ? GET_FUNCTION_PER_SECOND : this.#perSecond;
    const now = this.#clock.now();
    const recent = (this.#taken.get(kind) ?? []).filter((atMs) => now - atMs < 1000);
    const goesThrough = recent.length < limit;
    this.#taken.set(kind, goesThrough ? [...recent, now] : recent);
    return goesThrough;
  }
}
