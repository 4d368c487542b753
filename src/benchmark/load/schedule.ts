import type {LoadShape} from '../../core/load.ts';

/** One request of a load. */
export interface DueRequest {
  readonly index: number;
  /** Since the load began. */
  readonly dueMs: number;
  readonly stage: number;
}

/** A stretch of a load at one rate, as planned. */
export interface PlannedStage {
  /** Null for a burst; of a ramp, its middle. */
  readonly perSecond: number | null;
  readonly fromMs: number;
  readonly durationMs: number;
}

/**
 * Says when each request of a load is due, one at a time: ten million of them take no memory.
 *
 * Requests at a rate are evenly spaced, as in other rate-driven tools, so that figures can be held beside theirs and
 * two runs ask for the same. Arrivals by chance (Poisson) would queue a little more at the same rate; what they add
 * is the arrivals' own, and it would differ from run to run.
 */
export function* scheduleLoad(shape: LoadShape): Generator<DueRequest, void, void> {
  let index = 0;
  for (const [stage, {perSecond, fromMs, durationMs}] of planStages(shape).entries()) {
    const count = shape.kind === 'burst' ? shape.requests : Infinity;
    for (let nth = 0; nth < count; nth++) {
      const sinceMs =
        shape.kind === 'ramp' ? rampDueMs(shape, nth) : perSecond === null ? 0 : (nth * 1000) / perSecond;
      // A ramp that falls to nothing has a last request, after which none is ever due.
      if (shape.kind !== 'burst' && !(sinceMs < durationMs)) break;
      yield {index, dueMs: fromMs + sinceMs, stage};
      index++;
    }
  }
}

/** The stages of a load, in order. */
export function planStages(shape: LoadShape): readonly PlannedStage[] {
  const {kind} = shape;
  if (kind === 'burst') return [{perSecond: null, fromMs: 0, durationMs: 0}];
  const {durationMs} = shape;
  if (kind === 'rate') return [{perSecond: shape.perSecond, fromMs: 0, durationMs}];
  if (kind === 'ramp') return [{perSecond: rampRateAt(shape, durationMs / 2), fromMs: 0, durationMs}];
  return shape.perSecond.map((perSecond, step) => ({perSecond, fromMs: step * durationMs, durationMs}));
}

/** How long requests go on being due. */
export function lengthMs(shape: LoadShape): number {
  return planStages(shape).reduce((sum, {durationMs}) => sum + durationMs, 0);
}

/** About how many requests are due in all. */
export function countDue(shape: LoadShape): number {
  if (shape.kind === 'burst') return shape.requests;
  return Math.ceil(
    planStages(shape).reduce(
      (sum, {perSecond, durationMs}) => sum + ((perSecond ?? 0) * durationMs) / 1000,
      0,
    ),
  );
}

/** The highest rate that a load asks for; null for a burst, which has none. */
export function peakPerSecond(shape: LoadShape): number | null {
  if (shape.kind === 'burst') return null;
  if (shape.kind === 'ramp') return Math.max(shape.fromPerSecond, shape.toPerSecond);
  return Math.max(...planStages(shape).map(({perSecond}) => perSecond ?? 0));
}

/** The rate of a ramp at a moment of it. */
export function rampRateAt(shape: Extract<LoadShape, {kind: 'ramp'}>, ms: number): number {
  const {fromPerSecond, toPerSecond, durationMs} = shape;
  return fromPerSecond + ((toPerSecond - fromPerSecond) * ms) / durationMs;
}

/**
 * When the nth request (from 0) of a ramp is due: where the integral of the rate reaches n. NaN if it never does.
 * The quadratic's root is written so that a slope of nothing needs no case of its own and nothing cancels.
 */
function rampDueMs(shape: Extract<LoadShape, {kind: 'ramp'}>, nth: number): number {
  if (nth === 0) return 0;
  const from = shape.fromPerSecond / 1000;
  const slope = (shape.toPerSecond - shape.fromPerSecond) / 1000 / shape.durationMs;
  return (2 * nth) / (from + Math.sqrt(from * from + 2 * slope * nth));
}
