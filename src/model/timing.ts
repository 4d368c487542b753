import type {JsonObject} from '../core/json.ts';
import type {CandidateTimes} from '../core/model.ts';
import type {Row} from './calibration.ts';
import type {Probe, ProbeResult} from './probe.ts';

/** A model file as it would be served. */
export interface Contender {
  readonly name: string;
  readonly file: string;
  readonly session: JsonObject;
}

/** How long to look: fresh processes for each contender, and calls in each after the first. */
export interface Effort {
  readonly processes: number;
  readonly warmCalls: number;
}

/** What was measured of each contender by name, or why it failed. */
export type Timings = ReadonlyMap<string, CandidateTimes | string>;

export interface TimingRequest {
  readonly contenders: readonly Contender[];
  readonly probe: Probe;
  /** What each process is fed; without it, zeros. */
  readonly row: Row | null;
  readonly effort: Effort;
  /** Whether it is too close to call: then it is measured as long again. */
  readonly isClose?: (timings: Timings) => boolean;
  /** Called before each round, that is one process for each contender. */
  readonly onRound?: (round: number, rounds: number) => void;
}

type Run = ProbeResult & {readonly ok: true};

/** Times contenders in turns, every other round the other way round: a passing load on the machine meets all alike. */
export async function timeInTurns(request: TimingRequest): Promise<Timings> {
  const {contenders, effort, isClose = () => false, onRound = () => undefined} = request;
  const runs = new Map(contenders.map(({name}) => [name, [] as Run[]]));
  const failures = new Map<string, string>();
  const measure = async (from: number, to: number): Promise<Timings> => {
    for (let round = from; round < to; round++) {
      onRound(round + 1, to);
      for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
        if (failures.has(contender.name)) continue;
        const result = await timeOnce(request, contender);
        if (result.ok) runs.get(contender.name)!.push(result);
        else failures.set(contender.name, result.message);
      }
    }
    return new Map(contenders.map(({name}) => [name, failures.get(name) ?? mediansOf(runs.get(name)!)]));
  };
  const timings = await measure(0, effort.processes);
  return isClose(timings) ? measure(effort.processes, 2 * effort.processes) : timings;
}

async function timeOnce(
  {probe, row, effort}: TimingRequest,
  {file, session}: Contender,
): Promise<ProbeResult> {
  const rows = row === null ? [] : [row];
  return probe({model: file, session, rows, warmCalls: effort.warmCalls, wantOutputs: false});
}

function mediansOf(runs: readonly Run[]): CandidateTimes {
  return {
    processes: runs.length,
    loadMs: median(runs.map(({loadMs}) => loadMs)),
    firstMs: median(runs.map(({firstMs}) => firstMs)),
    warmMs: median(runs.map(({warmMs}) => warmMs ?? NaN)),
    rssMb: median(runs.map(({rssMb}) => rssMb)),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle) - 1]!) / 2;
}
