/**
 * An endpoint keeps up with a rate if it drops and fails next to nothing and its latency does not run away. What is
 * due faster than it is answered waits longer and longer: with λ due and μ answered per second, latency from due
 * grows by 1 − μ/λ seconds each second. So "answers at least 95 % of what is due" is: grows by at most 5 % of the
 * time that passes. Seen this way it needs no correction for what is under way at a stretch's edges.
 */
const SHORTFALL_MAX = 0.05;
/** Growth below this part of the undisturbed latency is its own unsteadiness. */
const UNSTEADINESS = 0.5;
/** Latency is held against that of so many stretches before: one slow moment is no trend. */
const LOOKBACK = 4;
/** So many stretches behind in a row are a verdict while the ramp goes on: an endpoint may need a while to scale out. */
const CLEAR = 5;
/** So many are one when it is over. */
const PLAUSIBLE = 3;

/** A stretch of a ramp. */
export interface RampStretch {
  readonly fromMs: number;
  readonly due: number;
  readonly dropped: number;
  readonly failed: number;
  /** Of latency from due; null if nothing is known of it. */
  readonly medianMs: number | null;
  /** Most are still under way: the median is a lower bound, which can prove that they wait, not that they don't. */
  readonly atLeast: boolean;
}

export interface RampVerdict {
  /** It has been behind for so long that to go on would show nothing more. */
  readonly clear: boolean;
  /** When it last kept up; null if it kept up to the end, or never did. */
  readonly kneeMs: number | null;
}

/** Finds the moment up to which an endpoint kept up with a ramp, from the stretches so far. */
export function judgeRamp(stretches: readonly RampStretch[]): RampVerdict {
  let calmMs = Infinity;
  let behind = 0;
  let keptUpMs: number | null = null;
  const known: {readonly fromMs: number; readonly medianMs: number}[] = [];
  for (const {fromMs, medianMs, atLeast, ...stretch} of stretches) {
    if (stretch.due === 0 || medianMs === null) continue;
    const before = known.at(-LOOKBACK) ?? known[0] ?? {fromMs, medianMs};
    const spanMs = fromMs - before.fromMs;
    const runsAway = medianMs - before.medianMs > Math.max(SHORTFALL_MAX * spanMs, UNSTEADINESS * calmMs);
    if (atLeast && !runsAway) continue;
    known.push({fromMs, medianMs});
    if (refuses(stretch) || runsAway) {
      // What has grown since then began somewhere in between.
      if (behind === 0) keptUpMs = refuses(stretch) ? fromMs : fromMs - spanMs / 2;
      behind++;
    } else {
      behind = 0;
      calmMs = Math.min(calmMs, medianMs);
    }
  }
  // Without one calm stretch there was nothing to fall behind from.
  const kneeMs = behind >= PLAUSIBLE && behind < known.length - 1 ? keptUpMs : null;
  return {clear: behind >= CLEAR, kneeMs};
}

/** A stage of steps. */
export interface Step {
  readonly perSecond: number;
  readonly durationMs: number;
  readonly due: number;
  readonly dropped: number;
  readonly failed: number;
  /** Median latency from due of what was due in the stage's first and last third. */
  readonly earlyMs: number | null;
  readonly lateMs: number | null;
}

/** The highest rate that was kept up with, if a higher one was not. */
export function kneeOfSteps(steps: readonly Step[]): number | null {
  const reached = steps.filter(({due}) => due > 0);
  const calmMs = Math.min(...reached.map(({earlyMs}) => earlyMs ?? Infinity));
  const keptUp = reached.filter((step) => keepsUp(step, calmMs)).map(({perSecond}) => perSecond);
  const highest = Math.max(...keptUp);
  return reached.some((step) => step.perSecond > highest) && keptUp.length > 0 ? highest : null;
}

function keepsUp(step: Step, calmMs: number): boolean {
  if (refuses(step)) return false;
  if (step.earlyMs === null || step.lateMs === null) return true;
  const spanMs = (step.durationMs * 2) / 3;
  return step.lateMs - step.earlyMs <= Math.max(SHORTFALL_MAX * spanMs, UNSTEADINESS * calmMs);
}

const refuses = ({due, dropped, failed}: {due: number; dropped: number; failed: number}): boolean =>
  dropped > 0 || failed > SHORTFALL_MAX * due;
