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
  /** Forms that were not worth making. */
  readonly untried: readonly {readonly why: string}[];
  /** Where the original itself gives NaN or infinity. */
  readonly originalNotFinite: string | null;
}

/** A candidate must cost at most this share of the original: measurements are noisy, and drift is never nothing. */
export const WORTHWHILE_SHARE = 0.9;

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
  if (mode === 'none') return keep(`the original is kept, as asked for: it ${speedOf(original)}`);
  if (mode !== 'auto')
    return obey(
      decision,
      original,
      others.find((candidate) => candidate.mode === mode)!,
    );

  const made = others.filter((candidate) => candidate.failure === null);
  if (original.times === null) {
    return keep(`the original is kept: it could not be measured (${original.failure})`);
  }
  if (made.length === 0)
    return keep(`the original is kept: ${whyNone(decision, others)}; it ${speedOf(original)}`);
  const best = cheapest(decision, made);
  if (decision.rows === 0) {
    return keep(
      `the original is kept: there are no calibration rows to judge drift by; ${comparison(decision, original, best)}`,
    );
  }
  const accepted = made.filter((candidate) => candidate.accepted === true);
  if (accepted.length === 0) return keep(`the original is kept: ${rejection(decision, made)}`);
  const winner = cheapest(decision, accepted);
  const share = cost(decision, winner) / cost(decision, original);
  if (!(share <= WORTHWHILE_SHARE)) {
    return keep(
      `the original is kept: nothing is 10 % better by ${decision.objective}; ${comparison(decision, original, winner)}`,
    );
  }
  return {
    chosen: winner.mode,
    why: `${winner.mode} is chosen: ${comparison(decision, original, winner, 'it')}; ${worstDrift(winner)} on ${rowsText(decision.rows)}${keptText(winner)}`,
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
    why: `${wanted.mode} is taken, as asked for: ${comparison(decision, original, wanted, 'it')}; ${judged}`,
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

/** Why there is nothing beside the original. */
function whyNone({untried}: Decision, others: readonly Candidate[]): string {
  const failed = others.find(({failure}) => failure !== null);
  if (failed) return `${failed.mode} was not possible, ${failed.failure}`;
  return untried[0]?.why ?? 'no form of it is worth a try';
}

/** Says it of the form that came nearest. */
function rejection(decision: Decision, made: readonly Candidate[]): string {
  if (decision.originalNotFinite !== null) {
    return `no form can be judged, ${decision.originalNotFinite} is not finite in the original`;
  }
  const nearest = made.reduce((best, candidate) => (worstNsr(candidate) < worstNsr(best) ? candidate : best));
  const outside = outsideAccept(nearest.drift, decision.accept);
  const what = outside.length > 0 ? outside.join('; ') : 'it gives fewer of the labels';
  const others = made.length === 1 ? '' : `, and it is the nearest of ${made.length}`;
  return `${nearest.mode} drifts too far on ${rowsText(decision.rows)} (${what})${others}`;
}

const worstNsr = ({drift}: Candidate): number => Math.max(0, ...drift.map(({nsr}) => nsr));

const keptText = ({keptFloat}: Candidate): string =>
  keptFloat.length === 0 ? '' : `, with ${keptFloat.length} sensitive nodes kept finer`;

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
