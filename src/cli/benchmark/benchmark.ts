import {join} from 'node:path';
import {findUnanswerable, judgeBudgets, parseBudget} from '../../benchmark/budget.ts';
import type {BudgetVerdict} from '../../core/budget.ts';
import {EXIT_CODES, ThawError} from '../../core/errors.ts';
import type {Report, RunRequest} from '../../core/report.ts';
import {createRedactor} from '../../core/redact.ts';
import {digestOf} from '../../core/digest.ts';
import {DURATION_EXAMPLE, parseDuration} from '../../core/units.ts';
import type {Workshop} from '../compose.ts';
import type {Surroundings} from '../project-command.ts';
import {thawDir} from '../project.ts';
import {readRequestBody, type RequestBody} from '../request-body.ts';
import type {Terminal} from '../terminal.ts';
import {readExports, writeExports} from './exports.ts';
import {readLoadShape, type LoadFlags} from './load-shape.ts';
import {measureTargets} from './measure.ts';
import {showBudgets, showReport} from './show-report.ts';
import {isUrl, openDeploymentTarget, openUrlTarget, type EndpointFlags, type Target} from './targets.ts';

/** The flags of `thaw benchmark`. */
export interface BenchmarkFlags extends LoadFlags {
  readonly cold?: number | undefined;
  readonly warm?: number | undefined;
  readonly data?: readonly string[] | undefined;
  readonly method?: string | undefined;
  readonly header?: readonly string[] | undefined;
  readonly 'bearer-env'?: string | undefined;
  readonly sign?: string | undefined;
  readonly timeout: string;
  readonly budget?: readonly string[] | undefined;
  readonly export?: readonly string[] | undefined;
  readonly resume: boolean;
}

export interface BenchmarkRequest {
  /** Providers and URLs, as named on the command line. */
  readonly named: readonly string[];
  readonly flags: BenchmarkFlags;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  readonly openProject: () => Promise<Surroundings>;
  readonly openWorkshop: () => Promise<Workshop>;
  /** Where runs are kept that belong to no project. */
  readonly dataDir: string;
}

/** Ends a run that was measured well and came out too slow. */
const EXIT_BUDGET_EXCEEDED = 6;

const WARM_DEFAULT = 200;
const COLD_DEFAULT = 10;

/** A report, and what became of the budgets that were set. */
export interface BenchmarkResult {
  readonly document: Report & {readonly budgets?: readonly BudgetVerdict[]};
  readonly exitCode: number;
}

/** Measures everything that was named, shows and writes the report, and holds it against the budgets. */
export async function benchmark(request: BenchmarkRequest): Promise<BenchmarkResult> {
  const {flags, terminal, signal} = request;
  const exports = readExports(flags.export ?? []);
  const budgets = (flags.budget ?? []).map(parseBudget);
  const load = readLoadShape(flags);
  const place = await findPlace(request);
  const bodies = await readBodies(flags, place);
  const targets = await openTargets(request, place, bodies);
  terminal.redactWith(createRedactor(targets.flatMap(({secrets}) => secrets)));

  // Of a URL nothing makes an instance end, so cold requests are not counted on; a load alone needs no shots.
  const deployed = targets.some(({run}) => run.image !== null);
  const run: RunRequest = {
    cold: flags.cold ?? (load === null && deployed ? COLD_DEFAULT : 0),
    warm: flags.warm ?? (load === null ? WARM_DEFAULT : 0),
    load,
    method: targets[0]?.method ?? 'POST',
    headers: [...new Set(targets.flatMap(({headers}) => headers))].sort(),
    bodies: bodies.map(({bytes, source}) => ({digest: digestOf(bytes), bytes: bytes.length, source})),
  };
  for (const doubt of findUnanswerable(budgets, run)) terminal.warning(doubt);
  const {report, failure} = await measureTargets({
    function: place.surroundings?.project.config.name ?? null,
    request: run,
    targets,
    runsDir: place.runsDir,
    resume: flags.resume,
    workshop: place.workshop,
    terminal,
    signal,
  });
  showReport(report, terminal);
  const verdicts = judgeBudgets(report, budgets);
  showBudgets(verdicts, terminal);
  await writeExports(report, verdicts, exports);
  if (failure) throw failure;
  const document = verdicts.length > 0 ? {...report, budgets: verdicts} : report;
  if (report.interrupted) return {document, exitCode: EXIT_CODES.INTERRUPTED};
  const exceeded = verdicts.some(({verdict}) => verdict === 'exceeded');
  return {document, exitCode: exceeded ? EXIT_BUDGET_EXCEEDED : 0};
}

/** Where a run belongs: to the project around the current folder, or, if only URLs were named, to nobody. */
interface Place {
  readonly surroundings: Surroundings | null;
  readonly workshop: Workshop;
  readonly runsDir: string;
}

async function findPlace({named, openProject, openWorkshop, dataDir}: BenchmarkRequest): Promise<Place> {
  if (named.length > 0 && named.every(isUrl)) {
    return {surroundings: null, workshop: await openWorkshop(), runsDir: join(dataDir, 'benchmarks')};
  }
  const surroundings = await openProject();
  const runsDir = join(thawDir(surroundings.project.config), 'benchmarks');
  return {surroundings, workshop: surroundings.workshop, runsDir};
}

/** The bodies that were given; of a project its sample request, of mere URLs none. */
async function readBodies({data}: BenchmarkFlags, {surroundings}: Place): Promise<readonly RequestBody[]> {
  const dir = surroundings?.project.config.dir ?? null;
  if (data !== undefined) return Promise.all(data.map((text) => readRequestBody(text, dir ?? '.')));
  return dir === null ? [] : [await readRequestBody(undefined, dir)];
}

async function openTargets(
  {named, flags, signal}: BenchmarkRequest,
  {surroundings, workshop, runsDir}: Place,
  bodies: readonly RequestBody[],
): Promise<readonly Target[]> {
  const names = named.length > 0 ? named : [surroundings?.project.config.default ?? ''];
  const endpoint = readEndpointFlags(flags);
  return Promise.all(
    [...new Set(names)].map(async (name) => {
      if (isUrl(name)) return openUrlTarget(name, endpoint, workshop, bodies, signal);
      const {project, context} = surroundings as Surroundings;
      return openDeploymentTarget(project, await project.provider(name), context, bodies, runsDir);
    }),
  );
}

function readEndpointFlags(flags: BenchmarkFlags): EndpointFlags {
  const timeoutMs = parseDuration(flags.timeout);
  if (timeoutMs === undefined || timeoutMs <= 0) {
    throw new ThawError(
      'USAGE',
      `--timeout must be a duration such as ${DURATION_EXAMPLE}, not "${flags.timeout}"`,
    );
  }
  return {
    method: flags.method ?? null,
    headers: flags.header ?? [],
    bearerEnv: flags['bearer-env'] ?? null,
    sign: flags.sign ?? null,
    timeoutMs,
  };
}
