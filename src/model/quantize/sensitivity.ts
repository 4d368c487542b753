import type {Accept, Drift} from '../../core/model.ts';
import type {Row} from '../calibration.ts';
import {outsideAccept} from '../drift.ts';
import type {OutputRow} from '../drift.ts';
import type {QuantizeResult} from './mode.ts';
import {rankBySwitches, worstFirst} from './rank.ts';
import type {Sensitivity} from './rank.ts';
import type {MakeSwitched} from './switches.ts';
import {openTrials} from './trials.ts';
import type {Measured, TrialRequest, Trials} from './trials.ts';

/** What the search for a mixed form needs. */
export interface MixedRequest extends TrialRequest {
  /** Makes the form with some nodes left as they were: a mode with everything else bound. */
  readonly make: (keepFloat: ReadonlySet<string>) => QuantizeResult;
  /** Makes the model with a switch at each of these nodes, if the mode can: then ranking them takes one process. */
  readonly makeSwitched?: MakeSwitched | null;
  readonly rows: readonly Row[];
  /** The original's outputs for these rows. */
  readonly original: readonly OutputRow[];
  readonly accept: Accept;
  /** How many forms may be run; 100 if not given. */
  readonly runsMax?: number;
  /** Called after each run: how many are done, of how many at most. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** The form with as many nodes quantized as `accept` allows, or why there is none. */
export type MixedResult =
  | {
      readonly failure: null;
      readonly result: QuantizeResult & {readonly failure: null};
      /** Labels of nodes that were left float for the sake of `accept`. */
      readonly keptFloat: readonly string[];
      /** On the rows of the search. */
      readonly drift: readonly Drift[];
      readonly runs: number;
      /** The worst first; empty where nothing had to be left out. */
      readonly sensitivities: readonly Sensitivity[];
    }
  | {readonly failure: string; readonly runs: number};

const RUNS_MAX = 100;

/** Enough to tell which nodes are worse than others; the results are judged on all rows. */
const RANKING_ROWS = 8;

/** How many groups a model with switches computes in the time that one of them takes alone. */
const GROUPS_PER_RUN = 4;

/**
 * Looks for the form that leaves the fewest nodes float and is within `accept` on the rows. If all quantized is not,
 * each node is quantized alone (or, if there are more than may be run, each few neighbours together), and the worst
 * are left float. How many is guessed from what each costs, and then tried. At most `runsMax` forms are run, each in
 * a process of its own; a model with switches takes one for all nodes alone. Equal rows and models give equal
 * results: nothing is decided by times.
 *
 * @throws ThawError MODEL_INVALID, DISK_FULL, PERMISSION_DENIED, RUNTIME_UNAVAILABLE, INTERRUPTED
 */
export async function findMixed(request: MixedRequest): Promise<MixedResult> {
  const {make, makeSwitched = null, accept, rows, original, runsMax = RUNS_MAX, onProgress} = request;
  const all = make(new Set());
  if (all.failure !== null) return {failure: all.failure, runs: 0};
  const groups = groupsOf(all.quantizedNodes, runsMax);
  const ranking = makeSwitched === null ? groups.length : 1;
  const total = 1 + ranking + triesOf(all.quantizedNodes.length);
  const trials = openTrials(request, (runs) => onProgress?.(runs, Math.max(runs, total)));

  const whole = await trials.measure(all, rows, original);
  if (isWithin(whole, accept)) {
    const {drift} = whole;
    return {failure: null, result: all, keptFloat: [], drift, runs: trials.runs(), sensitivities: []};
  }
  const switchedGroups = groupsOf(all.quantizedNodes, GROUPS_PER_RUN * runsMax);
  const sensitivities =
    (makeSwitched && (await rankBySwitches(makeSwitched, switchedGroups, request, trials))) ??
    (await rankOneByOne(request, groups, all.quantizedNodes, trials));
  const found = await fewestLeftOut(request, sensitivities, guess(sensitivities, whole, accept), trials);
  if (found) return {failure: null, ...found, runs: trials.runs(), sensitivities};
  const [worst] = outsideAccept(whole.drift, accept);
  const why = whole.broken ?? worst ?? 'its outputs drift';
  return {
    failure: `${why}, and leaving all but the least sensitive of its ${all.quantizedNodes.length} nodes float does not mend it`,
    runs: trials.runs(),
  };
}

interface Found {
  readonly result: QuantizeResult & {readonly failure: null};
  readonly keptFloat: readonly string[];
  readonly drift: readonly Drift[];
}

const isWithin = ({drift, broken}: Measured, accept: Accept): boolean =>
  broken === null && outsideAccept(drift, accept).length === 0;

/** Each node alone, or as many neighbours together as it takes to stay within the runs. */
function groupsOf(nodes: readonly string[], runsMax: number): string[][] {
  const distinct = [...new Set(nodes)];
  let size = 1;
  const runs = (): number => {
    const groups = Math.ceil(distinct.length / size);
    return 1 + groups + triesOf(groups);
  };
  while (runs() > runsMax && size < distinct.length) size++;
  return Array.from({length: Math.ceil(distinct.length / size)}, (_, group) =>
    distinct.slice(group * size, (group + 1) * size),
  );
}

/** A form for each group, in which all other nodes are left out. */
async function rankOneByOne(
  {make, rows, original}: MixedRequest,
  groups: readonly (readonly string[])[],
  nodes: readonly string[],
  trials: Trials,
): Promise<Sensitivity[]> {
  const sensitivities: Sensitivity[] = [];
  for (const group of groups) {
    const alone = make(new Set(nodes.filter((node) => !group.includes(node))));
    const {nsr} =
      alone.failure === null
        ? await trials.measure(alone, rows.slice(0, RANKING_ROWS), original.slice(0, RANKING_ROWS))
        : {nsr: 0};
    sensitivities.push({nodes: group, nsr});
  }
  return worstFirst(sensitivities);
}

/** How many groups have to be left out if the noise of each adds to that of the others. */
function guess(sensitivities: readonly Sensitivity[], whole: Measured, {cosine, nsr}: Accept): number {
  // A cosine is this far from 1 with noise that has nothing to do with the signal.
  const wanted = Math.min(nsr, 2 * (1 - cosine));
  const sum = sensitivities.reduce((all, each) => all + each.nsr, 0);
  let left = sum;
  const count = sensitivities.findIndex((each) => {
    if ((whole.nsr * left) / sum <= wanted) return true;
    left -= each.nsr;
    return false;
  });
  return count > 0 && Number.isFinite(whole.nsr + sum) ? count : Math.ceil(sensitivities.length / 2);
}

/** How many forms `fewestLeftOut` tries at most: twice as many as halving, if the guess is bad. */
const triesOf = (count: number): number => 2 * Math.ceil(Math.log2(Math.max(1, count)));

/** Finds the smallest number of the worst groups that is enough to leave out, beginning near a guess. */
async function fewestLeftOut(
  {make, rows, original, accept}: MixedRequest,
  sensitivities: readonly Sensitivity[],
  guessed: number,
  trials: Trials,
): Promise<Found | null> {
  let found: Found | null = null;
  // As far as is known, `fewest` are enough, and `tooFew` are not.
  let [tooFew, fewest] = [0, sensitivities.length];
  let [next, step] = [guessed, 1];
  while (fewest - tooFew > 1) {
    const count = Math.max(tooFew + 1, Math.min(fewest - 1, next));
    const keptFloat = sensitivities.slice(0, count).flatMap(({nodes}) => nodes);
    const result = make(new Set(keptFloat));
    const measured = result.failure === null ? await trials.measure(result, rows, original) : null;
    if (result.failure === null && measured && isWithin(measured, accept)) {
      found = {result, keptFloat, drift: measured.drift};
      fewest = count;
    } else {
      tooFew = count;
    }
    // Away from the guess in growing steps, until there is one on either side; then by halving.
    if (tooFew === 0) next = fewest - step;
    else if (!found) next = tooFew + step;
    else next = Math.floor((tooFew + fewest) / 2);
    step *= 2;
  }
  return found;
}
