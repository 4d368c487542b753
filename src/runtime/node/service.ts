import type {Engine} from './engine.ts';
import {evidenceHeaders, type Arrival, type Boot} from './evidence.ts';
import {sinceBirthMs, type StartMarks} from './phases.ts';

/** What every front door serves: HTTP today, a platform's own event loop tomorrow. Each event becomes one call. */
export interface Service {
  readonly name: string;
  readonly isReady: boolean;
  /** Resolves when the model is loaded; who comes before waits for it. */
  readonly engine: Promise<Engine>;
  /** Notes that a request came, which gives it its ordinal. Health checks are not requests. */
  arrive(): Arrival;
  requestId(arrival: Arrival): string;
  /** For the moment when the answer's headers are written. */
  evidence(arrival: Arrival, inferMs: number | null): {[name: string]: string};
}

/** A service whose engine is still being opened. */
export interface OpeningService extends Service {
  ready(engine: Engine, start: StartMarks): void;
}

/** Counts the requests of one boot and holds those that come before the model is loaded. */
export function createService(name: string, boot: Boot): OpeningService {
  let start: StartMarks | null = null;
  let arrivals = 0;
  let open: (engine: Engine) => void = () => undefined;
  const engine = new Promise<Engine>((resolve) => {
    open = resolve;
  });
  return {
    name,
    get isReady() {
      return start !== null;
    },
    engine,
    arrive: () => ({ordinal: (arrivals += 1), atMs: sinceBirthMs()}),
    requestId: (arrival) => `${boot.id}-${arrival.ordinal}`,
    evidence: (arrival, inferMs) => evidenceHeaders(boot, arrival, inferMs, start),
    ready(opened, marks) {
      start = marks;
      open(opened);
    },
  };
}
