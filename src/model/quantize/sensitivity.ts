import {randomUUID} from 'node:crypto';
import {rm} from 'node:fs/promises';
import {join} from 'node:path';
import type {JsonObject} from '../../core/json.ts';
import type {Accept, Drift} from '../../core/model.ts';
import type {Row} from '../calibration.ts';
import {writeModel} from '../candidate.ts';
import {measureDrift, outsideAccept} from '../drift.ts';
import type {OutputRow} from '../drift.ts';
import type {Probe} from '../probe.ts';
import {merge} from '../session-options.ts';
import type {QuantizeResult} from './mode.ts';

/** What the search for a mixed form needs. */
export interface MixedRequest {
  /** Makes the form with some nodes left as they were: a mode with everything else bound. */
  readonly make: (keepFloat: ReadonlySet<string>) => QuantizeResult;
  /** The model file that external tensors are relative to. */
  readonly sourcePath: string;
  readonly rows: readonly Row[];
  /** The original's outputs for these rows. */
  readonly original: readonly OutputRow[];
  readonly accept: Accept;
  /** Session options that the form is to be run with, its own excepted. */
  readonly session: JsonObject;
  readonly probe: Probe;
  /** Where forms are written; none stays. */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** How many forms may be run; 100 if not given. */
  readonly runsMax?: number;
  /** Called after each run: how many are done, of how many at most. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** One part of the model and what it costs to have only that part quantized. */
export interface Sensitivity {
  readonly nodes: readonly string[];
  /** Noise to signal of the output that suffers most; Infinity where the outputs cannot be compared. */
  readonly nsr: number;
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

/**
 * Looks for the form that leaves the fewest nodes float and is within `accept` on the rows. If all quantized is not,
 * each node is quantized alone (or, if there are more than may be run, each few neighbours together), and the worst
 * are left float: how many, is found by halving. At most `runsMax` forms are run, each in a process of its own.
 * Equal rows and models give equal results: nothing is decided by times.
 *
 * @throws ThawError MODEL_INVALID, DISK_FULL, PERMISSION_DENIED, RUNTIME_UNAVAILABLE, INTERRUPTED
 */
export async function findMixed(request: MixedRequest): Promise<MixedResult> {
  const {make, accept, rows, runsMax = RUNS_MAX} = request;
  const all = make(new Set());
  if (all.failure !== null) return {failure: all.failure, runs: 0};
  const groups = groupsOf(all.quantizedNodes, runsMax);
  const run = countRuns(request, 1 + groups.length + halvingsOf(groups.length));

  const whole = await run.measure(all, rows.length);
  if (isWithin(whole, accept)) {
    return {
      failure: null,
      result: all,
      keptFloat: [],
      drift: whole.drift,
      runs: run.runs(),
      sensitivities: [],
    };
  }
  const sensitivities: Sensitivity[] = [];
  for (const nodes of groups) {
    const alone = make(new Set(all.quantizedNodes.filter((node) => !nodes.includes(node))));
    const {nsr} = alone.failure === null ? await run.measure(alone, RANKING_ROWS) : {nsr: 0};
    sensitivities.push({nodes, nsr});
  }
  sensitivities.sort((a, b) => b.nsr - a.nsr);

  // `fewest` groups left out are enough, as far as is known; `tooFew` are not.
  let found: Found | null = null;
  let [tooFew, fewest] = [0, groups.length];
  while (fewest - tooFew > 1) {
    const count = Math.floor((tooFew + fewest) / 2);
    const keptFloat = sensitivities.slice(0, count).flatMap(({nodes}) => nodes);
    const result = make(new Set(keptFloat));
    const measured = result.failure === null ? await run.measure(result, rows.length) : null;
    if (result.failure === null && measured && isWithin(measured, accept)) {
      found = {result, keptFloat, drift: measured.drift};
      fewest = count;
    } else {
      tooFew = count;
    }
  }
  if (found) return {failure: null, ...found, runs: run.runs(), sensitivities};
  const [worst] = outsideAccept(whole.drift, accept);
  const why = whole.broken ?? worst ?? 'its outputs drift';
  return {
    failure: `${why}, and leaving all but the least sensitive of its ${all.quantizedNodes.length} nodes float does not mend it`,
    runs: run.runs(),
  };
}

type Quantized = QuantizeResult & {readonly failure: null};

interface Found {
  readonly result: Quantized;
  readonly keptFloat: readonly string[];
  readonly drift: readonly Drift[];
}

interface Measured {
  readonly drift: readonly Drift[];
  readonly broken: string | null;
  readonly nsr: number;
}

const isWithin = ({drift, broken}: Measured, accept: Accept): boolean =>
  broken === null && outsideAccept(drift, accept).length === 0;

/** How many forms halving tries at most. */
const halvingsOf = (count: number): number => Math.ceil(Math.log2(Math.max(1, count)));

/** Each node alone, or as many neighbours together as it takes to stay within the runs. */
function groupsOf(nodes: readonly string[], runsMax: number): string[][] {
  const distinct = [...new Set(nodes)];
  let size = 1;
  const runs = (): number => {
    const groups = Math.ceil(distinct.length / size);
    return 1 + groups + halvingsOf(groups);
  };
  while (runs() > runsMax && size < distinct.length) size++;
  return Array.from({length: Math.ceil(distinct.length / size)}, (_, group) =>
    distinct.slice(group * size, (group + 1) * size),
  );
}

interface Runs {
  /** Runs a form over the first so many rows. */
  measure(form: Quantized, rowsMax: number): Promise<Measured>;
  runs(): number;
}

function countRuns(
  {sourcePath, rows, original, session, probe, dir, signal, onProgress}: MixedRequest,
  total: number,
): Runs {
  let done = 0;
  return {
    runs: () => done,
    async measure(form, rowsMax) {
      const file = join(dir, `mixed-${randomUUID()}.onnx`);
      const written = await writeModel(form.model, sourcePath, file, signal);
      try {
        const result = await probe({
          model: file,
          session: merge(session, form.session),
          rows: rows.slice(0, rowsMax),
          warmCalls: 0,
          wantOutputs: true,
        });
        done++;
        onProgress?.(done, total);
        if (!result.ok) return {drift: [], broken: result.message, nsr: Infinity};
        const {drift, broken} = measureDrift(original.slice(0, rowsMax), result.rows);
        const nsr = broken === null ? Math.max(0, ...drift.map((each) => each.nsr)) : Infinity;
        return {drift, broken, nsr};
      } finally {
        for (const part of written.files) await rm(part.file, {force: true});
      }
    },
  };
}
