import {join} from 'node:path';
import {cpus, release, totalmem, type as systemName} from 'node:os';
import {hasSampleOf} from '../benchmark/earlier-samples.ts';
import {runShots} from '../benchmark/run.ts';
import {openSamplesFile, type SamplesFile} from '../benchmark/samples-file.ts';
import {scheduleShots} from '../benchmark/schedule.ts';
import {summarize} from '../benchmark/summarize.ts';
import {digestOf} from '../core/digest.ts';
import type {Context} from '../core/driver.ts';
import type {JsonObject} from '../core/json.ts';
import type {ProviderReport, Report} from '../core/report.ts';
import {formatMs} from '../core/units.ts';
import {applyPlan} from '../deploy/apply.ts';
import {inspectDeployed} from './deployed.ts';
import {BOOT_ALLOWANCE_MS} from './invoke-function.ts';
import {withTask} from './progress.ts';
import type {RequestBody} from './request-body.ts';
import {thawDir, type Project, type ProjectProvider} from './project.ts';
import type {Terminal} from './terminal.ts';

export interface BenchmarkRequest {
  readonly project: Project;
  readonly providers: readonly ProjectProvider[];
  readonly context: Context;
  readonly terminal: Terminal;
  readonly cold: number;
  readonly warm: number;
  readonly body: RequestBody;
}

/** Measures the function at each provider in turn. Every sample is on disk before the next request goes out. */
export async function benchmarkFunction(request: BenchmarkRequest): Promise<Report> {
  const {project, providers, context, cold, warm, body} = request;
  const startedAt = new Date(context.ports.clock.now()).toISOString();
  const folder = join(thawDir(project.config), 'benchmarks');
  const file = join(folder, `${startedAt.replaceAll(/[:.]/g, '-')}.ndjson`);
  const samples = await openSamplesFile(file);
  const reports: ProviderReport[] = [];
  let interrupted = false;
  try {
    for (const provider of providers) {
      if (interrupted) break;
      const outcome = await benchmarkProvider(request, provider, folder, samples);
      reports.push(outcome.report);
      interrupted = outcome.interrupted;
    }
  } finally {
    await samples.close();
  }
  return {
    schema: 'thaw.report/1',
    thaw: context.thawVersion,
    function: project.config.name,
    startedAt,
    machine: describeMachine(),
    request: {
      cold,
      warm,
      load: null,
      method: 'POST',
      headers: ['content-type'],
      bodies: [{digest: digestOf(body.bytes), bytes: body.bytes.length, source: body.source}],
    },
    interrupted,
    providers: reports,
    samples: file,
  };
}

async function benchmarkProvider(
  {project, context, terminal, cold, warm, body}: BenchmarkRequest,
  provider: ProjectProvider,
  folder: string,
  samplesFile: SamplesFile,
): Promise<{report: ProviderReport; interrupted: boolean}> {
  const {driver, site} = provider;
  const fn = {name: project.config.name};
  const {deployment} = await inspectDeployed(project, provider, context);
  const timeoutMs = provider.config.settings.timeoutMs + BOOT_ALLOWANCE_MS;
  const freshImage = !(await hasSampleOf(folder, driver.name, deployment.image));
  const shots = scheduleShots({cold, warm, freshImage});

  const {samples, interrupted} = await withTask(
    terminal,
    `${driver.name}: ${cold} cold and ${warm} warm requests`,
    (task) =>
      runShots({
        provider: driver.name,
        shots,
        freshImage,
        signal: context.signal,
        fire: () =>
          site.invoke(context, deployment, {body: body.bytes, contentType: 'application/json', timeoutMs}),
        async chill() {
          const plan = (await site.inspect(context, fn)).chill();
          await applyPlan(plan, {ops: driver.ops, context, image: null, secret: () => ''});
        },
        keep: (sample) => samplesFile.append(sample),
        onSample: ({shot, class: startClass, totalMs}) =>
          task.update(`${shot.index + 1} of ${shots.length}  ${startClass} ${formatMs(totalMs)}`),
      }),
  );
  const report = summarize({
    provider: driver.name,
    url: deployment.url,
    image: deployment.image,
    notes: driver.limits.runsImage ? [] : ['not the image: its contents run as a process of this machine'],
    samples,
  });
  return {report, interrupted};
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
