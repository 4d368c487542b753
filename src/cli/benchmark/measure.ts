import {cpus, release, totalmem, type as systemName} from 'node:os';
import {join} from 'node:path';
import {shouldGiveUp} from '../../benchmark/give-up.ts';
import {rehearse} from '../../benchmark/load/rehearse.ts';
import {planInFlightMax, runLoad, type LoadOutcome} from '../../benchmark/load/run.ts';
import {weighEvidence, type Weighed} from '../../benchmark/plausibility.ts';
import {coldBootsOf, weighRecords} from '../../benchmark/provider-record.ts';
import {planRemainder, refuseOtherRun, type Remainder} from '../../benchmark/resume.ts';
import {
  createRunFile,
  findUnfinishedRun,
  readRunFile,
  resumeRunFile,
  type RunFile,
  type RunOnDisk,
} from '../../benchmark/run-file.ts';
import {runShots, type Measured} from '../../benchmark/run.ts';
import {scheduleShots} from '../../benchmark/schedule.ts';
import {summarize} from '../../benchmark/summarize.ts';
import {ThawError} from '../../core/errors.ts';
import type {JsonObject} from '../../core/json.ts';
import type {LoadShape} from '../../core/load.ts';
import type {ProviderReport, Report, RunHeader, RunRequest} from '../../core/report.ts';
import type {Sample, Shot} from '../../core/sample.ts';
import {formatMs} from '../../core/units.ts';
import type {Workshop} from '../compose.ts';
import {withTask} from '../progress.ts';
import type {Terminal} from '../terminal.ts';
import type {Target} from './targets.ts';

export interface MeasureRequest {
  /** Null where none of the targets is a function of thaw's. */
  readonly function: string | null;
  readonly request: RunRequest;
  readonly targets: readonly Target[];
  /** Where the run's file is written. */
  readonly runsDir: string;
  readonly resume: boolean;
  readonly workshop: Workshop;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/** What was measured; `failure` is what ended it before its time, if it was not the user. */
export interface MeasuredRun {
  readonly report: Report;
  readonly failure: ThawError | null;
}

/** Measures the targets one after the other. Every sample is on disk before the next request goes out. */
export async function measureTargets(request: MeasureRequest): Promise<MeasuredRun> {
  const run = await openRun(request);
  const providers: ProviderReport[] = [];
  let interrupted = false;
  let failure: ThawError | null = null;
  try {
    for (const target of request.targets) {
      const measured = await measureTarget(request, target, run);
      providers.push(measured.report);
      ({interrupted, failure} = measured);
      if (interrupted || failure) break;
    }
    if (!interrupted && !failure) await run.file.finish(nowOf(request));
  } finally {
    await run.file.close();
  }
  const {schema: _, targets: __, ...header} = run.header;
  return {report: {schema: 'thaw.report/1', ...header, interrupted, providers, samples: run.path}, failure};
}

/** A run that samples are being added to. */
interface OpenRun {
  readonly header: RunHeader;
  readonly path: string;
  readonly file: RunFile;
  /** What an earlier part of the run has measured. */
  readonly before: RunOnDisk | null;
}

/** Starts a run, or goes on with the last one that was cut off. @throws ThawError USAGE if there is none */
async function openRun(request: MeasureRequest): Promise<OpenRun> {
  const {runsDir, resume, targets, workshop} = request;
  const startedAt = nowOf(request);
  const header: RunHeader = {
    schema: 'thaw.run/1',
    thaw: workshop.installation.version,
    function: request.function,
    startedAt,
    machine: describeMachine(),
    request: request.request,
    targets: targets.map(({run}) => run),
  };
  if (!resume) {
    const path = join(runsDir, `${startedAt.replaceAll(/[:.]/g, '-')}.ndjson`);
    return {header, path, file: await createRunFile(path, header), before: null};
  }
  const path = await findUnfinishedRun(runsDir);
  if (path === null) throw new ThawError('USAGE', `no run in ${runsDir} was cut off`, {folder: runsDir});
  const before = await readRunFile(path);
  refuseOtherRun(before, header);
  return {header: before.header, path, file: await resumeRunFile(path, startedAt), before};
}

const nowOf = ({workshop}: MeasureRequest): string => new Date(workshop.ports.clock.now()).toISOString();

/** What is to be done at one target: all of it, or what an earlier part of the run has left. */
function planTarget({header, before}: OpenRun, {run}: Target): Remainder {
  if (before) return planRemainder(before, run.provider);
  const {cold, warm, load} = header.request;
  const {freshImage} = run;
  return {shots: scheduleShots({cold, warm, freshImage}), kept: [], freshImage, load, loadKept: null};
}

interface MeasuredTarget {
  readonly report: ProviderReport;
  readonly interrupted: boolean;
  readonly failure: ThawError | null;
}

async function measureTarget(request: MeasureRequest, target: Target, run: OpenRun): Promise<MeasuredTarget> {
  const todo = planTarget(run, target);
  const chills = run.before !== null || todo.shots.some(({want}) => want === 'cold');
  const {outcome: shots, left} = await tidied(request, target, chills, () =>
    fireShots(request, target, run, todo),
  );
  const ended = shots.interrupted || shots.failure !== null;
  const load = todo.load === null || ended ? null : await fireLoad(request, target, run, todo.load);
  const weighed = weighEvidence([...todo.kept, ...shots.samples]);
  const recorded = await holdAgainstRecords(request, target, weighed.samples);
  const notes = [
    ...target.run.notes,
    ...weighed.notes,
    ...recorded.notes,
    ...cutLoadNotes(run, todo),
    ...(load?.notes ?? []),
    ...left,
  ];
  const summary = summarize({...target.run, notes, samples: recorded.samples});
  return {
    report: {...summary, load: load?.report ?? todo.loadKept},
    interrupted: shots.interrupted || load?.interrupted === true,
    failure: shots.failure ?? load?.failure ?? null,
  };
}

/** Does something with cold starts in it, and deletes what they were made of, however that ended. */
async function tidied<T>(
  {terminal}: MeasureRequest,
  {run: {provider}, tidy}: Target,
  chills: boolean,
  fire: () => Promise<T>,
): Promise<{readonly outcome: T; readonly left: readonly string[]}> {
  const say = (): void => terminal.note(`${provider}: deleting what cold starts were made of`);
  let outcome: T;
  try {
    outcome = await fire();
  } catch (error) {
    if (chills) await tidy(say);
    throw error;
  }
  return {outcome, left: chills ? await tidy(say) : []};
}

/** Asks the provider itself of the cold starts: what cannot be asked is no reason to lose what was measured. */
async function holdAgainstRecords(
  {signal}: MeasureRequest,
  {run: {provider}, startups}: Target,
  samples: readonly Sample[],
): Promise<Weighed> {
  const bootIds = coldBootsOf(samples);
  if (startups === null || bootIds.length === 0 || signal.aborted) return {samples, notes: []};
  const sinceMs = Math.min(...samples.map(({at}) => Date.parse(at)));
  try {
    return weighRecords(provider, samples, await startups({bootIds, sinceMs}));
  } catch (error) {
    if (!(error instanceof ThawError)) throw error;
    return {samples, notes: [`${provider} itself could not be asked of its cold starts: ${error.message}`]};
  }
}

/** Half a load says nothing of the other half: one that was cut off is fired anew, and a reader must know. */
function cutLoadNotes({before}: OpenRun, {load}: Remainder): string[] {
  if (load === null || !before || before.loadSamples === 0) return [];
  return [
    `a load was cut off and fired anew: ${before.loadSamples} samples of it are kept, and in no figure`,
  ];
}

/** The cold and the warm requests, one after the other. */
async function fireShots(
  {terminal, signal}: MeasureRequest,
  {run: {provider, image}, fire, chill}: Target,
  {file}: OpenRun,
  {shots, kept, freshImage}: Remainder,
): Promise<Measured> {
  if (shots.length === 0) return {samples: [], interrupted: false, failure: null};
  const fired: Sample[] = [...kept];
  const count = (want: Shot['want']): string => {
    const wanted = shots.filter((shot) => shot.want === want).length;
    return wanted > 0 ? `${wanted} ${want}` : '';
  };
  const title = `${provider}: ${[count('cold'), count('warm')].filter(Boolean).join(' and ')} requests`;
  return withTask(terminal, title, (task) =>
    runShots({
      provider,
      shots,
      freshImage,
      signal,
      async fire(shot) {
        const hopeless = shouldGiveUp(fired);
        if (hopeless)
          throw new ThawError('INVOKE_FAILED', `${provider}: ${hopeless}`, image === null ? {} : {provider});
        return fire(shot);
      },
      chill,
      keep: (sample) => file.append(sample),
      onSample(sample) {
        fired.push(sample);
        const what = sample.error ?? `${sample.class} ${formatMs(sample.totalMs)}`;
        task.update(`${fired.length - kept.length} of ${shots.length}  ${what}`);
      },
    }),
  );
}

/** The load, by the clock. A burst starts from zero: who waits for an instance then is what it is asked for. */
async function fireLoad(
  measure: MeasureRequest,
  target: Target,
  {file}: OpenRun,
  shape: LoadShape,
): Promise<LoadOutcome> {
  const {
    run: {provider},
    fire,
    chill,
    timeoutMs,
  } = target;
  const {
    request: {cold, warm},
    workshop,
    terminal,
    signal,
  } = measure;
  const chills = shape.kind === 'burst';
  const {clock, http} = workshop.ports;
  const {outcome, left} = await tidied(measure, target, chills, async () => {
    if (chills) await chill();
    return withTask(terminal, `${provider}: load`, async (task) => {
      await rehearse((url) => http({url, timeoutMs: 10_000, signal}), clock, signal);
      return runLoad({
        provider,
        shape,
        fire,
        inFlightMax: planInFlightMax(shape, timeoutMs),
        clock,
        signal,
        // One more than asked for: a new image takes a cold shot besides.
        firstIndex: cold + warm + 1,
        keep: (samples) => file.append(...samples),
        onProgress: ({due, dueInAll, inFlight, dropped}) =>
          task.update(
            `${due} of ${dueInAll} due, ${inFlight} under way${dropped > 0 ? `, ${dropped} dropped` : ''}`,
          ),
      });
    });
  });
  const {report, interrupted, failure, gaveUp, notes} = outcome;
  if (!interrupted && !failure) await file.appendLoad(provider, report);
  return {...outcome, notes: [...notes, ...(gaveUp === null ? [] : [gaveUp]), ...left]};
}

/** What the figures depend on beside the function itself. */
function describeMachine(): JsonObject {
  const processors = cpus();
  return {
    cpu: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    memoryMb: Math.round(totalmem() / 2 ** 20),
    system: `${systemName()} ${release()}`,
    node: process.version,
  };
}
