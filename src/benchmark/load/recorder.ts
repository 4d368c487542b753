import type {LoadBucket, LoadReport, LoadShape, LoadStage} from '../../core/load.ts';
import {START_CLASSES, type Sample, type StartClass} from '../../core/sample.ts';
import {judgeRamp, kneeOfSteps, type RampVerdict} from './knee.ts';
import {createLatencies, type Latencies} from './latencies.ts';
import {countDue, lengthMs, planStages, rampRateAt, type DueRequest, type PlannedStage} from './schedule.ts';

/** More instances than these are counted as these: an endpoint that lies may name a new one in every answer. */
export const INSTANCES_MAX = 10_000;

/** Takes down what happens to each request of a load, in memory that does not grow with their number. */
export interface LoadRecorder {
  /** It is sent now, and so many are under way with it. */
  sent(request: DueRequest, inFlight: number): void;
  /** It is due and will not be sent. */
  dropped(request: DueRequest): void;
  /** It came out so. The sample's timings count from when it was due. */
  cameOut(request: DueRequest, sample: Sample): void;
  /** It was sent, and nobody waited to see how it comes out. */
  abandoned(request: DueRequest): void;
  /** Of a ramp: whether it is clear by now that the endpoint no longer keeps up. */
  verdict(nowMs: number): RampVerdict;
  readonly bucketMs: number;
  /** There were more instances than are told apart. */
  readonly instancesCut: boolean;
  /** @param endedMs when the load was ended before all was due */
  report(endedMs: number | null): LoadReport;
}

interface Tally {
  due: number;
  dropped: number;
  answered: number;
  failed: number;
  /** Of those failed: no answer in time. */
  timedOut: number;
  readonly instances: Set<number>;
  evidence: boolean;
}

interface StageTally extends Tally {
  readonly latency: Latencies;
  readonly service: Latencies;
  readonly late: Latencies;
  readonly earlyThird: Latencies;
  readonly lateThird: Latencies;
  readonly classes: {[C in StartClass]: number};
  inFlightMax: number;
}

interface BucketTally extends Tally {
  readonly latency: Latencies;
  cold: number;
}

export function createLoadRecorder(shape: LoadShape): LoadRecorder {
  const planned = planStages(shape);
  const bucketMs = planBucketMs(shape);
  const stages: StageTally[] = planned.map(createStageTally);
  const buckets: BucketTally[] = [];
  const all = createLatencies(3);
  const instanceNumbers = new Map<string, number>();
  let instancesCut = false;

  function stageOf({stage}: DueRequest): StageTally {
    const tally = stages[stage];
    if (tally === undefined) throw new RangeError(`the load has no stage ${stage}`);
    return tally;
  }

  function bucketOf({dueMs}: DueRequest): BucketTally {
    const index = Math.floor(dueMs / bucketMs);
    while (buckets.length <= index) {
      buckets.push({...createTally(), latency: createLatencies(2), cold: 0});
    }
    return buckets[index] as BucketTally;
  }

  const talliesOf = (request: DueRequest): [StageTally, BucketTally] => [stageOf(request), bucketOf(request)];

  /** Ids as small numbers, so that many sets of them are small. */
  function instanceNumber(bootId: string): number | null {
    const known = instanceNumbers.get(bootId);
    if (known !== undefined) return known;
    if (instanceNumbers.size >= INSTANCES_MAX) {
      instancesCut = true;
      return null;
    }
    instanceNumbers.set(bootId, instanceNumbers.size);
    return instanceNumbers.size - 1;
  }

  function noteInstance(tally: Tally, number: number | null): void {
    tally.evidence = true;
    if (number !== null) tally.instances.add(number);
  }

  function verdict(nowMs: number): RampVerdict {
    return judgeRamp(
      buckets.map((bucket, index) => ({
        fromMs: index * bucketMs,
        due: bucket.due,
        dropped: bucket.dropped,
        failed: bucket.failed,
        ...medianSoFar(bucket, nowMs - (index + 1) * bucketMs),
      })),
    );
  }

  function kneePerSecond(nowMs: number): number | null {
    if (shape.kind === 'ramp') {
      const {kneeMs} = verdict(nowMs);
      return kneeMs === null ? null : rampRateAt(shape, kneeMs);
    }
    if (shape.kind !== 'steps') return null;
    return kneeOfSteps(
      stages.map((stage, index) => ({
        perSecond: shape.perSecond[index] ?? 0,
        durationMs: shape.durationMs,
        due: stage.due,
        dropped: stage.dropped,
        failed: stage.failed,
        earlyMs: stage.earlyThird.quantileMs(0.5),
        lateMs: stage.lateThird.quantileMs(0.5),
      })),
    );
  }

  return {
    sent(request, inFlight) {
      const [stage, bucket] = talliesOf(request);
      stage.due++;
      bucket.due++;
      if (inFlight > stage.inFlightMax) stage.inFlightMax = inFlight;
    },
    dropped(request) {
      for (const tally of talliesOf(request)) {
        tally.due++;
        tally.dropped++;
      }
    },
    abandoned(request) {
      for (const tally of talliesOf(request)) tally.due--;
    },
    cameOut(request, sample) {
      const [stage, bucket] = talliesOf(request);
      const {timings, evidence} = sample;
      const timedOut = isTimeout(sample);
      const good = sample.error === null;

      if (evidence !== null) {
        const number = instanceNumber(evidence.bootId);
        noteInstance(stage, number);
        noteInstance(bucket, number);
      }
      stage.late.record(timings.sentMs);
      for (const tally of [stage, bucket]) {
        if (good) tally.answered++;
        else tally.failed++;
        if (timedOut) tally.timedOut++;
      }
      if (good) {
        stage.classes[sample.class]++;
        if (sample.class === 'cold') bucket.cold++;
      }
      // Who was left without an answer has waited that long at least: to leave them out would flatter.
      const latencyMs = good ? (timings.firstByteMs ?? timings.endMs) : timedOut ? timings.endMs : null;
      if (latencyMs === null) return;
      all.record(latencyMs);
      stage.latency.record(latencyMs);
      stage.service.record(latencyMs - timings.sentMs);
      bucket.latency.record(latencyMs);
      thirdOf(request, stage, planned[request.stage])?.record(latencyMs);
    },
    verdict,
    bucketMs,
    get instancesCut() {
      return instancesCut;
    },
    report(endedMs) {
      const reached = planned.flatMap((plan, index) => {
        const tally = stages[index];
        return tally === undefined || tally.due === 0 ? [] : [stageReport(plan, tally, endedMs)];
      });
      return {
        shape,
        stages: reached,
        bucketMs,
        timeline: buckets.map((bucket, index) => bucketReport(index * bucketMs, bucket)),
        kneePerSecond: kneePerSecond(endedMs ?? Infinity),
        histogram: all.encode(),
      };
    },
  };
}

/** A timeline has at most about so many buckets, however long the load. */
const BUCKETS_MAX = 60;
/** Fewer buckets than these are no course. */
const BUCKETS_MIN = 10;
/** What a bucket takes to have a 99th percentile. */
const BUCKET_REQUESTS = 299;
/** Limits are often so many requests a second: shorter buckets would see them kept and broken in turn. */
const RAMP_BUCKET_MS = 1000;
const RAMP_BUCKETS_MIN = 30;

/**
 * Chooses how long a bucket of the timeline is: as short as the number of buckets allows, but long enough to carry a
 * 99th percentile where this leaves enough of them. With those of a ramp its knee is found.
 */
export function planBucketMs(shape: LoadShape): number {
  if (shape.kind === 'burst') return 1000;
  const totalMs = lengthMs(shape);
  const shortestMs = Math.max(100, totalMs / BUCKETS_MAX);
  if (shape.kind === 'ramp') {
    return roundUp(Math.max(shortestMs, Math.min(RAMP_BUCKET_MS, totalMs / RAMP_BUCKETS_MIN)));
  }
  const carryingMs = roundUp(
    Math.max(shortestMs, (BUCKET_REQUESTS * totalMs) / Math.max(1, countDue(shape))),
  );
  return carryingMs * BUCKETS_MIN > totalMs ? roundUp(shortestMs) : carryingMs;
}

/** The next of 1, 2, 5, 10, 20, 50 … */
function roundUp(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(ms));
  return ([1, 2, 5, 10].find((step) => step * power >= ms * (1 - 1e-9)) ?? 10) * power;
}

function createTally(): Tally {
  return {
    due: 0,
    dropped: 0,
    answered: 0,
    failed: 0,
    timedOut: 0,
    instances: new Set(),
    evidence: false,
  };
}

function createStageTally(): StageTally {
  return {
    ...createTally(),
    latency: createLatencies(3),
    service: createLatencies(3),
    late: createLatencies(3),
    earlyThird: createLatencies(2),
    lateThird: createLatencies(2),
    classes: Object.fromEntries(START_CLASSES.map((name) => [name, 0])) as {[C in StartClass]: number},
    inFlightMax: 0,
  };
}

/** A sample has its error as text, which begins with its kind. */
const isTimeout = ({error}: Sample): boolean => error?.startsWith('timeout:') === true;

function thirdOf(request: DueRequest, stage: StageTally, plan: PlannedStage | undefined): Latencies | null {
  if (plan === undefined || plan.durationMs === 0) return null;
  const part = (request.dueMs - plan.fromMs) / plan.durationMs;
  return part < 1 / 3 ? stage.earlyThird : part >= 2 / 3 ? stage.lateThird : null;
}

/**
 * The median over all that were sent, those still under way included: they take longer than those that came back.
 * While these are fewer than half, it is as long as the youngest of them has waited, at least.
 */
function medianSoFar(
  bucket: BucketTally,
  sinceMs: number,
): {readonly medianMs: number | null; readonly atLeast: boolean} {
  const sent = bucket.due - bucket.dropped - (bucket.failed - bucket.timedOut);
  if (sent === 0) return {medianMs: bucket.due > 0 ? 0 : null, atLeast: false};
  const medianMs = bucket.latency.rankMs(Math.ceil(sent / 2));
  if (medianMs !== null) return {medianMs, atLeast: sinceMs <= 0};
  return {medianMs: sinceMs > 0 ? sinceMs : null, atLeast: true};
}

function stageReport(plan: PlannedStage, tally: StageTally, endedMs: number | null): LoadStage {
  const {due, dropped, answered, failed, inFlightMax} = tally;
  return {
    perSecond: plan.perSecond,
    durationMs: Math.min(plan.durationMs, (endedMs ?? Infinity) - plan.fromMs),
    due,
    dropped,
    answered,
    failed,
    latency: tally.latency.latency(),
    service: tally.service.latency(),
    lateP99Ms: tally.late.quantileMs(0.99),
    inFlightMax,
    classes: {...tally.classes},
    instances: tally.evidence ? tally.instances.size : null,
  };
}

function bucketReport(fromMs: number, bucket: BucketTally): LoadBucket {
  const {due, dropped, answered, failed, cold} = bucket;
  return {
    fromMs,
    due,
    dropped,
    answered,
    failed,
    cold,
    instances: bucket.evidence ? bucket.instances.size : null,
    p50Ms: bucket.latency.quantileMs(0.5),
    p99Ms: bucket.latency.quantileMs(0.99),
  };
}
