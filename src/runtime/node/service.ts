import type {Answer, Call, Engine} from './engine.ts';
import {evidenceHeaders, type Arrival, type Boot} from './evidence.ts';
import {sinceBirthMs, type StartMarks} from './phases.ts';

/** What every front door serves: HTTP today, a platform's own event loop tomorrow. Each event becomes one call. */
export interface Service {
  readonly name: string;
  /** Null until the model is loaded. */
  readonly engine: Engine | null;
  /** Notes that a request came, which gives it its ordinal. Health checks are not requests. */
  arrive(): Arrival;
  /** Waits until the model is loaded if need be. */
  answer(call: Call): Promise<Answer>;
  /** For the moment when the answer's headers are written. */
  evidence(arrival: Arrival, inferMs: number | null): {[name: string]: string};
  requestId(arrival: Arrival): string;
}

/** A service whose engine is still being opened. */
export interface OpeningService extends Service {
  ready(engine: Engine, start: StartMarks): void;
}

/** Counts requests and holds those that come before the model is loaded. */
export function createService(name: string, boot: Boot): OpeningService {
  let engine: Engine | null = null;
  let start: StartMarks | null = null;
  let arrivals = 0;
  let open: (engine: Engine) => void = () => undefined;
  const opened = new Promise<Engine>((resolve) => {
    open = resolve;
  });
  return {
    name,
    get engine() {
      return engine;
    },
    arrive: () => ({ordinal: (arrivals += 1), atMs: sinceBirthMs()}),
    answer: async (call) => (engine ?? (await opened)).answer(call),
    evidence: (arrival, inferMs) => evidenceHeaders(boot, arrival, inferMs, start),
    requestId: (arrival) => `${boot.id}-${arrival.ordinal}`,
    ready(opening, marks) {
      engine = opening;
      start = marks;
      open(opening);
    },
  };
}
