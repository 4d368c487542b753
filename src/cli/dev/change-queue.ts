import type {Clock} from '../../core/ports.ts';

/**
 * Collects what changes and gives it out together, once nothing more has changed for a while. What changes while the
 * last batch is worked on makes one more batch, however much it is.
 */
export class ChangeQueue {
  readonly #clock: Clock;
  readonly #quietMs: number;
  #changed = new Set<string>();
  #lastMs = -Infinity;
  #wake: () => void = () => {};

  constructor(clock: Clock, quietMs: number) {
    this.#clock = clock;
    this.#quietMs = quietMs;
  }

  add(file: string): void {
    this.#changed.add(file);
    this.#lastMs = this.#clock.monotonicMs();
    this.#wake();
  }

  /** The files that have changed since the last batch, at least one; null once the signal has fired. */
  async next(signal: AbortSignal): Promise<ReadonlySet<string> | null> {
    if (this.#changed.size === 0 && !signal.aborted) await this.#first(signal);
    while (!signal.aborted) {
      const leftMs = this.#lastMs + this.#quietMs - this.#clock.monotonicMs();
      if (leftMs <= 0) {
        const batch = this.#changed;
        this.#changed = new Set();
        return batch;
      }
      await this.#clock.sleep(leftMs, signal).catch(() => {});
    }
    return null;
  }

  #first(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake);
        this.#wake = () => {};
        resolve();
      };
      this.#wake = wake;
      signal.addEventListener('abort', wake, {once: true});
    });
  }
}
