import {ThawError} from '../../core/errors.ts';
import type {LoadReport, LoadShape} from '../../core/load.ts';
import type {Clock} from '../../core/ports.ts';
import type {Invocation, Sample, Shot, Timings} from '../../core/sample.ts';
import {shouldGiveUp} from '../give-up.ts';
import {toSample} from '../sample.ts';
import {createKeeper} from './keeper.ts';
import {createPace, nextTurn, type Pace} from './pace.ts';
import {createLoadRecorder} from './recorder.ts';
import {countDue, peakPerSecond, rampRateAt, scheduleLoad, type DueRequest} from './schedule.ts';

/** What a load needs. */
export interface Load {
  readonly provider: string;
  readonly shape: LoadShape;
  /** Sends one request, once. What goes wrong on the wire is an Invocation. */
  fire(shot: Shot): Promise<Invocation>;
  /** A request that is due while so many are under way is dropped and counted, never delayed. */
  readonly inFlightMax: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Keeps samples, in the order in which they came out, a batch at a time. Sending never waits for it. */
  keep(samples: readonly Sample[]): Promise<void>;
  /** Called a few times a second. */
  onProgress?(progress: LoadProgress): void;
  /** The image has never been started where it is deployed: its first cold start is marked. */
  readonly freshImage?: boolean;
  /** The index of the first shot, where others came before. */
  readonly firstIndex?: number;
  /** Waits until a request is due; by default to within some microseconds of the clock. */
  readonly pace?: Pace;
  /** So many samples may wait to be kept; beyond that they are counted but not kept. */
  readonly unkeptMax?: number;
}

/** How far a load has come. */
export interface LoadProgress {
  readonly elapsedMs: number;
  readonly due: number;
  readonly dueInAll: number;
  readonly cameOut: number;
  readonly failed: number;
  readonly dropped: number;
  readonly inFlight: number;
}

/** What a load came to. */
export interface LoadOutcome {
  readonly report: LoadReport;
  /** It was ended by the signal before all was due, or before all that was sent came out. */
  readonly interrupted: boolean;
  /** Why it was ended for good reason before all was due: nobody is there to talk to. */
  readonly gaveUp: string | null;
  /** What `fire` or `keep` threw, which ended it. */
  readonly failure: ThawError | null;
  /** What a reader must know beside the figures. */
  readonly notes: readonly string[];
}

/** After so many requests at one go the loop looks for answers, so that late requests do not make answers late. */
const REQUESTS_AT_A_GO = 8;
const PROGRESS_EVERY_MS = 200;
const UNKEPT_MAX = 20_000;
const FIRST_LOOKED_AT = 20;
const IN_FLIGHT_LEAST = 100;
const IN_FLIGHT_MOST = 10_000;

/**
 * How many requests may be under way where nobody says otherwise: as many as the highest rate makes due within the
 * time after which a request is given up, so that a stall drops nothing; but no more than 10,000, for each takes a
 * socket.
 */
export function planInFlightMax(shape: LoadShape, timeoutMs: number): number {
  const peak = peakPerSecond(shape);
  const wanted = peak === null ? countDue(shape) : Math.ceil((peak * timeoutMs) / 1000);
  return Math.min(IN_FLIGHT_MOST, Math.max(IN_FLIGHT_LEAST, wanted));
}

/**
 * Sends the requests of a load when they are due, however the earlier ones fare (an open loop), and says what came
 * of it. Latency counts from when a request was due: a stall is suffered by all who arrive in it, and what this
 * generator itself is late is in it too. A ramp ends soon after it is clear that the endpoint no longer keeps up.
 *
 * An interrupt, or a ThawError of `fire` or `keep`, ends the load with what was measured until then. What has not
 * come out by then is counted nowhere.
 *
 * @throws every error of `fire` or `keep` that is no ThawError
 */
export async function runLoad(load: Load): Promise<LoadOutcome> {
  const {shape, clock, signal, inFlightMax} = load;
  const recorder = createLoadRecorder(shape);
  const pace = load.pace ?? createPace(clock);
  const counts = {due: 0, cameOut: 0, failed: 0, dropped: 0, inFlight: 0};
  const dueInAll = countDue(shape);
  let firstColdIsApart = load.freshImage === true;
  let interrupted = false;
  let broken = null as {readonly error: unknown} | null;
  let onIdle: (() => void) | null = null;
  let gaveUp: string | null = null;
  let onlyFailures: Sample[] | null = [];

  /** Ends every wait when the load is to end. */
  const ending = new AbortController();
  const onAbort = (): void => {
    interrupted = true;
    ending.abort(signal.reason);
  };
  const breakOff = (error: unknown): void => {
    broken ??= {error};
    ending.abort();
  };
  const keeper = createKeeper(
    (samples) => load.keep(samples),
    load.unkeptMax ?? UNKEPT_MAX,
    () => ending.abort(),
  );

  const startMs = clock.monotonicMs();
  const elapsedMs = (): number => clock.monotonicMs() - startMs;

  async function send(request: DueRequest): Promise<void> {
    const shot: Shot = {index: (load.firstIndex ?? 0) + request.index, want: 'any', stage: request.stage};
    counts.inFlight++;
    recorder.sent(request, counts.inFlight);
    const lateMs = elapsedMs() - request.dueMs;
    try {
      const invocation = await load.fire(shot);
      // Answers that came at the same moment are read first: what is done with one must not make the next late.
      await nextTurn();
      takeDown(request, shot, sinceDue(invocation, lateMs));
    } catch (error) {
      recorder.abandoned(request);
      if (isInterrupt(error)) interrupted = true;
      else breakOff(error);
    } finally {
      counts.inFlight--;
      if (counts.inFlight === 0) onIdle?.();
    }
  }

  /** Until one request has come out otherwise, the first ones are looked at together. */
  function lookForNobody(sample: Sample): void {
    if (onlyFailures === null) return;
    if (sample.error === null || onlyFailures.length >= FIRST_LOOKED_AT) {
      onlyFailures = null;
      return;
    }
    onlyFailures.push(sample);
    gaveUp = shouldGiveUp(onlyFailures);
    if (gaveUp !== null) ending.abort();
  }

  function takeDown(request: DueRequest, shot: Shot, invocation: Invocation): void {
    const came = toSample(load.provider, shot, invocation);
    const firstAfterDeploy = firstColdIsApart && came.error === null && came.class === 'cold';
    if (firstAfterDeploy) firstColdIsApart = false;
    const sample = firstAfterDeploy ? {...came, firstAfterDeploy} : came;
    counts.cameOut++;
    if (sample.error !== null) counts.failed++;
    recorder.cameOut(request, sample);
    keeper.offer(sample);
    lookForNobody(sample);
  }

  /** @returns when the load ended before all was due; null if it did not */
  async function sendAll(): Promise<number | null> {
    let atOneGo = 0;
    let nextLookMs = 0;
    let nextVerdictMs = recorder.bucketMs;
    for (const request of scheduleLoad(shape)) {
      if (elapsedMs() < request.dueMs) {
        await pace(startMs + request.dueMs, ending.signal).catch(swallowInterrupt);
        atOneGo = 0;
      } else if (++atOneGo >= REQUESTS_AT_A_GO) {
        await nextTurn();
        atOneGo = 0;
      }
      if (ending.signal.aborted) return elapsedMs();
      if (elapsedMs() >= nextLookMs) {
        nextLookMs = elapsedMs() + PROGRESS_EVERY_MS;
        load.onProgress?.({elapsedMs: elapsedMs(), dueInAll, ...counts});
      }
      if (shape.kind === 'ramp' && elapsedMs() >= nextVerdictMs) {
        nextVerdictMs = elapsedMs() + recorder.bucketMs;
        if (recorder.verdict(elapsedMs()).clear) return elapsedMs();
      }
      counts.due++;
      if (counts.inFlight < inFlightMax) {
        void send(request);
      } else {
        counts.dropped++;
        recorder.dropped(request);
      }
    }
    return null;
  }

  signal.addEventListener('abort', onAbort, {once: true});
  try {
    if (signal.aborted) onAbort();
    const endedMs = await sendAll();
    if (counts.inFlight > 0) await new Promise<void>((resolve) => (onIdle = resolve));
    await keeper.close().catch(breakOff);
    const failure = broken?.error ?? null;
    if (failure !== null && !(failure instanceof ThawError)) throw failure;
    const report = recorder.report(endedMs);
    const rampEndedMs = ending.signal.aborted ? null : endedMs;
    const notes = notesOf(report, keeper.unkept, recorder.instancesCut, rampEndedMs);
    return {report, interrupted, gaveUp, failure, notes};
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** An invocation counts from when it was fired; a load counts from when it was due. */
function sinceDue(invocation: Invocation, lateMs: number): Invocation {
  const {at, timings} = invocation;
  const later = Object.fromEntries(
    Object.entries(timings).map(([moment, ms]: [string, number | null]) => [
      moment,
      ms === null ? null : ms + lateMs,
    ]),
  ) as unknown as Timings;
  return {...invocation, at: new Date(Date.parse(at) - lateMs).toISOString(), timings: later};
}

const isInterrupt = (error: unknown): boolean => error instanceof ThawError && error.code === 'INTERRUPTED';

function swallowInterrupt(error: unknown): void {
  if (!isInterrupt(error)) throw error;
}

function notesOf(
  {shape}: LoadReport,
  unkept: number,
  instancesCut: boolean,
  rampEndedMs: number | null,
): string[] {
  const notes: string[] = [];
  if (unkept > 0) {
    notes.push(
      `${unkept} samples of the load are in its figures but not in the file: the disk did not keep up`,
    );
  }
  if (instancesCut) notes.push('the answers named more instances than are counted');
  if (rampEndedMs !== null && shape.kind === 'ramp') {
    const rate = Math.round(rampRateAt(shape, rampEndedMs));
    notes.push(`the ramp ended at ${rate} requests a second: the endpoint no longer kept up`);
  }
  return notes;
}
