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
const GROUPS_PER_RUN = 8;

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
  const nodes = [...new Set(all.quantizedNodes)];
  const groups = groupsOf(nodes, runsMax);
  const ranking = makeSwitched === null ? groups.length : 1;
  const total = 1 + ranking + triesOf(nodes.length);
  const trials = openTrials(request, (runs) => onProgress?.(runs, Math.max(runs, total)));

  const whole = await trials.measure(all, rows, original);
  if (isWithin(whole, accept)) {
    const {drift} = whole;
    return {failure: null, result: all, keptFloat: [], drift, runs: trials.runs(), sensitivities: []};
  }
  const switched = neighbours(nodes, Math.ceil(nodes.length / (GROUPS_PER_RUN * runsMax)));
  const sensitivities =
    (makeSwitched && (await rankBySwitches(makeSwitched, switched, request, trials))) ??
    (await rankOneByOne(request, groups, nodes, trials));
  const found = await fewestLeftOut(request, sensitivities, whole, trials);
  if (found) return {failure: null, ...found, runs: trials.runs(), sensitivities};
  const [worst] = outsideAccept(whole.drift, accept);
  const why = whole.broken ?? worst ?? 'its outputs drift';
  return {
    failure: `${why}, and leaving all but the least sensitive of its ${nodes.length} nodes float does not mend it`,
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
  let size = 1;
  const runs = (): number => {
    const groups = Math.ceil(nodes.length / size);
    return 1 + groups + triesOf(groups);
  };
  while (runs() > runsMax && size < nodes.length) size++;
  return neighbours(nodes, size);
}

const neighbours = (nodes: readonly string[], size: number): string[][] =>
  Array.from({length: Math.ceil(nodes.length / size)}, (_, group) =>
    nodes.slice(group * size, (group + 1) * size),
  );

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

/** How many forms are tried by what the nodes cost, before it goes on by halving. */
const GUESSES = 3;

/** How many forms `fewestLeftOut` tries at most. */
const triesOf = (count: number): number => GUESSES + Math.ceil(Math.log2(Math.max(1, count)));

/** Finds the smallest number of the worst groups that is enough to leave out. */
async function fewestLeftOut(
  {make, rows, original, accept}: MixedRequest,
  sensitivities: readonly Sensitivity[],
  whole: Measured,
  trials: Trials,
): Promise<Found | null> {
  const noiseAt = foretell(sensitivities, whole);
  // A cosine is this far from 1 with noise that has nothing to do with the signal.
  const wanted = Math.min(accept.nsr, 2 * (1 - accept.cosine));
  let found: Found | null = null;
  // As far as is known, `fewest` are enough, and `tooFew` are not.
  let [tooFew, fewest] = [0, sensitivities.length];
  // What is not foretold: finer nodes have some noise too, and not all of it adds up.
  let unforeseen = 0;
  for (let tries = 0; fewest - tooFew > 1; tries++) {
    const foretold = sensitivities.findIndex((_, at) => noiseAt(at) + unforeseen <= wanted);
    const guessed = foretold === -1 ? fewest - 1 : Math.max(tooFew + 1, Math.min(fewest - 1, foretold));
    const isBlind = tries >= GUESSES || !Number.isFinite(noiseAt(0) + unforeseen);
    const count = isBlind ? Math.floor((tooFew + fewest) / 2) : guessed;
    const keptFloat = sensitivities.slice(0, count).flatMap(({nodes}) => nodes);
    const result = make(new Set(keptFloat));
    const measured = result.failure === null ? await trials.measure(result, rows, original) : null;
    if (result.failure === null && measured && isWithin(measured, accept)) {
      found = {result, keptFloat, drift: measured.drift};
      fewest = count;
    } else {
      tooFew = count;
    }
    if (measured) unforeseen = measured.nsr - noiseAt(count);
  }
  return found;
}

/** Makes a function that says how much noise is left without so many of the worst, if that of each adds to the others'. */
function foretell(sensitivities: readonly Sensitivity[], whole: Measured): (count: number) => number {
  const sum = sensitivities.reduce((all, {nsr}) => all + nsr, 0);
  let left = sum;
  const shares = sensitivities.map(({nsr}) => {
    const share = left / sum;
    left -= nsr;
    return share;
  });
  return (count) => whole.nsr * (shares[count] ?? 0);
}
