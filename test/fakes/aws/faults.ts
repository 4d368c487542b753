/** What becomes of one request instead of an answer. */
export type Fault =
  /** Too many requests, in the service's own words. */
  | 'throttle'
  | '500'
  | '503'
  /** The connection is cut before anything is done. */
  | 'reset'
  /** It is done, and the connection is cut in place of the answer. */
  | 'reset after'
  /** It is not done, and no answer ever comes. */
  | 'timeout'
  /** Any other refusal: its type, and what is said. */
  | {readonly type: string; readonly message: string; readonly status?: number};

/** What is known of a request when it is decided whether it fails. */
export interface Asked {
  readonly operation: string;
  readonly reads: boolean;
}

/** Which requests fail, and how. Each fault happens once, but that of `from`. */
export class Faults {
  #count = 0;
  readonly #byNumber = new Map<number, Fault>();
  readonly #byOperation = new Map<string, Fault[]>();
  #nextWrite: Fault | null = null;
  #all: {readonly from: number; readonly fault: Fault} | null = null;
  #choose: ((asked: Asked) => Fault | null) | null = null;

  /** How many API requests there have been since the beginning, or since `clear`. */
  get count(): number {
    return this.#count;
  }

  /** @param n 0: the next request to any service */
  at(n: number, fault: Fault): void {
    this.#byNumber.set(this.#count + n, fault);
  }

  /** Whether all that is asked for next fails. */
  get isGone(): boolean {
    return this.#all !== null && this.#count >= this.#all.from;
  }

  /** From the n-th request on, every request fails, those to the registry as well: the network is gone. */
  from(n: number, fault: Fault): void {
    this.#all = {from: this.#count + n, fault};
  }

  /** @param operation `lambda:CreateFunction`; said twice, the next two fail */
  on(operation: string, fault: Fault): void {
    this.#byOperation.set(operation, [...(this.#byOperation.get(operation) ?? []), fault]);
  }

  /** Asks somebody else about each request for which nothing else is said. */
  by(choose: (asked: Asked) => Fault | null): void {
    this.#choose = choose;
  }

  onNextWrite(fault: Fault): void {
    this.#nextWrite = fault;
  }

  /** Takes back what has not happened yet, and counts from 0 again. */
  clear(): void {
    this.#count = 0;
    this.#byNumber.clear();
    this.#byOperation.clear();
    this.#nextWrite = null;
    this.#all = null;
    this.#choose = null;
  }

  /** Decides over a request, and counts it. */
  take(asked: Asked): Fault | null {
    const {operation, reads} = asked;
    const n = this.#count++;
    const numbered = this.#byNumber.get(n) ?? null;
    this.#byNumber.delete(n);
    if (numbered !== null) return numbered;
    if (this.#all !== null && n >= this.#all.from) return this.#all.fault;
    const named = this.#byOperation.get(operation)?.shift() ?? null;
    if (named !== null) return named;
    const chosen = this.#choose?.(asked) ?? null;
    if (chosen !== null || reads) return chosen;
    const written = this.#nextWrite;
    this.#nextWrite = null;
    return written;
  }
}
