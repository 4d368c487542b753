import type {Accept, Candidate, CandidateTimes, Objective, QuantizeMode} from '../core/model.ts';
import {formatBytes, formatMs} from '../core/units.ts';
import {figure, outsideAccept} from './drift.ts';

/** What `thaw.yaml` asks for: the best by measurement, or one form whatever it does. */
export type WantedMode = 'auto' | QuantizeMode;

/** What a choice is made from. The first candidate is the original. */
export interface Decision {
  readonly mode: WantedMode;
  readonly objective: Objective;
  readonly accept: Accept;
  /** How many rows drift was judged on. */
  readonly rows: number;
  readonly candidates: readonly Candidate[];
  /** Where the original itself gives NaN or infinity. */
  readonly originalNotFinite: string | null;
}

/** Models below this load in an instant: what quantizing them could save is not worth its drift. */
const SMALL_BYTES = 1_000_000;

/** A candidate must cost at most this share of the original: measurements are noisy, and drift is never nothing. */
const WORTHWHILE_SHARE = 0.9;

/**
 * What a candidate costs by an objective: bytes for `size`, else milliseconds. `cold` is loading and the first
 * inference, `warm` one inference later, `balanced` a cold start and a hundred warm requests.
 */
export function costOf(objective: Objective, bytes: number, times: CandidateTimes): number {
  const coldMs = times.loadMs + times.firstMs;
  const costs = {size: bytes, cold: coldMs, warm: times.warmMs, balanced: coldMs + 100 * times.warmMs};
  return costs[objective];
}

/** Chooses a candidate and says why in one sentence, with the figures. */
export function decide(decision: Decision): {readonly chosen: QuantizeMode; readonly why: string} {
  const {mode, candidates} = decision;
  const [original, ...others] = candidates;
  if (!original) throw new TypeError('no original among the candidates');
  const keep = (why: string) => ({chosen: 'none' as const, why});
  if (mode === 'none') return keep(`the original is served, as asked for: it ${speedOf(original)}`);
  if (mode !== 'auto')
    return obey(
      decision,
      original,
      others.find((candidate) => candidate.mode === mode)!,
    );

  const made = others.filter((candidate) => candidate.failure === null);
  const failed = others.find((candidate) => candidate.failure !== null);
  if (original.times === null) {
    return keep(`the original is kept: it could not be measured (${original.failure})`);
  }
  if (original.bytes < SMALL_BYTES) {
    const rivals = made.map(
      (candidate) => `; ${candidate.mode} (${formatBytes(candidate.bytes)}) ${speedOf(candidate)}`,
    );
    return keep(
      `the original is kept: a model under a megabyte (${formatBytes(original.bytes)}) ${speedOf(original)}${rivals.join('')}`,
    );
  }
  if (made.length === 0)
    return keep(`the original is kept: ${failed?.mode} was not possible, ${failed?.failure}`);
  const best = cheapest(decision, made);
  if (decision.rows === 0) {
    return keep(
      `the original is kept: there are no calibration rows to judge drift by; ${comparison(decision, original, best)}`,
    );
  }
  const accepted = made.filter((candidate) => candidate.accepted === true);
  if (accepted.length === 0) return keep(`the original is kept: ${rejection(decision, best)}`);
  const winner = cheapest(decision, accepted);
  const share = cost(decision, winner) / cost(decision, original);
  if (!(share <= WORTHWHILE_SHARE)) {
    return keep(
      `the original is kept: nothing is 10 % better by ${decision.objective}; ${comparison(decision, original, winner)}`,
    );
  }
  return {
    chosen: winner.mode,
    why: `${winner.mode} is served: ${comparison(decision, original, winner, 'it')}; ${worstDrift(winner)} on ${rowsText(decision.rows)}`,
  };
}

function obey(
  decision: Decision,
  original: Candidate,
  wanted: Candidate,
): {chosen: QuantizeMode; why: string} {
  const outside = outsideAccept(wanted.drift, decision.accept);
  const judged =
    decision.rows === 0
      ? 'its drift is unknown, as there are no calibration rows'
      : outside.length > 0
        ? `although it is outside accept on ${rowsText(decision.rows)} (${outside.join('; ')})`
        : decision.originalNotFinite !== null
          ? `although ${decision.originalNotFinite} is not finite in the original either`
          : `${worstDrift(wanted)} on ${rowsText(decision.rows)}`;
  return {
    chosen: wanted.mode,
    why: `${wanted.mode} is served, as asked for: ${comparison(decision, original, wanted, 'it')}; ${judged}`,
  };
}

function cheapest(decision: Decision, candidates: readonly Candidate[]): Candidate {
  return candidates.reduce((best, candidate) =>
    cost(decision, candidate) < cost(decision, best) ? candidate : best,
  );
}

function cost({objective}: Decision, {bytes, times}: Candidate): number {
  return times === null ? Infinity : costOf(objective, bytes, times);
}

function rejection(decision: Decision, candidate: Candidate): string {
  const outside = outsideAccept(candidate.drift, decision.accept);
  return outside.length > 0
    ? `${candidate.mode} drifts too far on ${rowsText(decision.rows)} (${outside.join('; ')})`
    : `${candidate.mode} cannot be judged, ${decision.originalNotFinite} is not finite in the original`;
}

/** `dynamic costs 6.10 ms against 12.3 ms by cold, 25 % of the bytes`. */
function comparison(
  decision: Decision,
  original: Candidate,
  candidate: Candidate,
  subject: string = candidate.mode,
): string {
  const show = decision.objective === 'size' ? formatBytes : formatMs;
  const [mine, theirs] = [cost(decision, candidate), cost(decision, original)];
  const bytes = `${Math.round((100 * candidate.bytes) / original.bytes)} % of the bytes`;
  if (!Number.isFinite(mine) || !Number.isFinite(theirs)) return `${subject} has ${bytes}`;
  return `${subject} costs ${show(mine)} against ${show(theirs)} by ${decision.objective}, at ${bytes}`;
}

function worstDrift({drift}: Candidate): string {
  if (drift.length === 0) return 'no output to compare';
  const cosine = Math.min(...drift.map((each) => each.cosine));
  const nsr = Math.max(...drift.map((each) => each.nsr));
  const moves = drift.flatMap(({top1Drop}) => top1Drop ?? []);
  const top1 = moves.length === 0 ? '' : `, top1Drop ${figure(Math.max(...moves))}`;
  return `cosine ${figure(cosine)}, nsr ${figure(nsr)}${top1}`;
}

function speedOf({times, failure}: Candidate): string {
  if (times === null) return `could not be measured (${failure})`;
  return `loads in ${formatMs(times.loadMs)} and answers first in ${formatMs(times.firstMs)}, then in ${formatMs(times.warmMs)}`;
}

const rowsText = (rows: number): string => (rows === 1 ? '1 row' : `${rows} rows`);
