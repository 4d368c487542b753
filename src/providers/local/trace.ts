import type {StartupRecord} from '../../core/deployment.ts';

/** Starts that are remembered; a benchmark asks for its own at the end. */
const RECORDS_MAX = 10_000;

/** What the gateway recorded of each start of an instance, the latest ones. */
export class Trace {
  readonly #records = new Map<string, StartupRecord>();

  /** Remembers a start, and forgets the oldest if there are too many. */
  add(record: StartupRecord): void {
    this.#records.set(record.bootId, record);
    if (this.#records.size > RECORDS_MAX) {
      const [oldest] = this.#records.keys();
      this.#records.delete(oldest as string);
    }
  }

  /** The starts among these that are remembered, in the order asked for. */
  find(bootIds: readonly string[]): StartupRecord[] {
    return bootIds.flatMap((bootId) => this.#records.get(bootId) ?? []);
  }
}
