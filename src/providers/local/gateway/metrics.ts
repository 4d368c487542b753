import type {Instance} from '../../../core/deployment.ts';
import type {RefusalCode} from './refusal.ts';

/** The media type of what `render` makes: the text format of Prometheus. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const REQUEST_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const BOOT_BUCKETS_S = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const STATES: readonly Instance['state'][] = ['starting', 'idle', 'busy', 'stopping'];

/** What a gateway counts of its function for as long as it runs. */
export class Metrics {
  readonly #requests = new Map<number, number>();
  readonly #refused = new Map<string, number>();
  readonly #boots = new Map<string, number>([
    ['ready', 0],
    ['failed', 0],
  ]);
  readonly #exits = new Map<string, number>([
    ['asked', 0],
    ['unasked', 0],
    ['out_of_memory', 0],
  ]);
  readonly #requestTimes = new Histogram(REQUEST_BUCKETS_S);
  readonly #bootTimes = new Histogram(BOOT_BUCKETS_S);

  /** A request is over: with this status, or 499 if its client went away before there was an answer. */
  countRequest(status: number, totalMs: number): void {
    add(this.#requests, status);
    this.#requestTimes.observe(totalMs / 1000);
  }

  /** The gateway itself answered a request. */
  countRefusal(code: RefusalCode): void {
    add(this.#refused, code.toLowerCase());
  }

  /** An instance has become ready. */
  countBoot(totalMs: number): void {
    add(this.#boots, 'ready');
    this.#bootTimes.observe(totalMs / 1000);
  }

  /** An instance could not start. */
  countFailedBoot(): void {
    add(this.#boots, 'failed');
  }

  /** An instance that had been ready has ended. */
  countExit(reason: 'asked' | 'unasked' | 'out_of_memory'): void {
    add(this.#exits, reason);
  }

  /** Renders all of it, and what is there now, in the text format of Prometheus. */
  render(now: {instances: readonly Instance[]; queueLength: number}): string {
    const states = STATES.map(
      (state) => [state, now.instances.filter((instance) => instance.state === state).length] as const,
    );
    return [
      ...renderFamily('thaw_requests_total', 'counter', 'Requests that are over, by status.', [
        ...renderCounts('code', this.#requests),
      ]),
      ...renderFamily(
        'thaw_request_duration_seconds',
        'histogram',
        'From the arrival of a request to the end of its answer.',
        this.#requestTimes.render(),
      ),
      ...renderFamily('thaw_refused_total', 'counter', 'Requests that the gateway itself answered.', [
        ...renderCounts('reason', this.#refused),
      ]),
      ...renderFamily('thaw_queue_length', 'gauge', 'Requests that wait for an instance.', [
        ['', now.queueLength],
      ]),
      ...renderFamily('thaw_instances', 'gauge', 'Instances, by state.', renderCounts('state', states)),
      ...renderFamily('thaw_boots_total', 'counter', 'Starts of instances that are over, by result.', [
        ...renderCounts('result', this.#boots),
      ]),
      ...renderFamily(
        'thaw_boot_duration_seconds',
        'histogram',
        'From the start of an instance to when it took requests.',
        this.#bootTimes.render(),
      ),
      ...renderFamily('thaw_instance_exits_total', 'counter', 'Instances that ended after they were ready.', [
        ...renderCounts('reason', this.#exits),
      ]),
      '',
    ].join('\n');
  }
}

/** What follows a family's name in one of its lines, and the value. */
type Row = readonly [rest: string, value: number];

class Histogram {
  readonly #bounds: readonly number[];
  /** How many fell into each bucket and not into an earlier one; the last is without bound. */
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = Array.from({length: bounds.length + 1}, () => 0);
  }

  observe(value: number): void {
    let at = 0;
    while (at < this.#bounds.length && value > (this.#bounds[at] as number)) at++;
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#sum += value;
  }

  render(): Row[] {
    let upTo = 0;
    const buckets = this.#counts.map((count, at): Row => {
      upTo += count;
      return [`_bucket{le="${this.#bounds[at] ?? '+Inf'}"}`, upTo];
    });
    return [...buckets, ['_sum', this.#sum], ['_count', upTo]];
  }
}

function renderFamily(name: string, type: string, help: string, rows: readonly Row[]): string[] {
  const lines = rows.map(([rest, value]) => `${name}${rest} ${value}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines];
}

function renderCounts(label: string, counts: Iterable<readonly [string | number, number]>): Row[] {
  return [...counts].map(([value, count]): Row => [`{${label}="${value}"}`, count]);
}

function add<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
