import {join, resolve} from 'node:path';
import {findUnanswerable, judgeBudgets, parseBudget} from '../../benchmark/budget.ts';
import type {BudgetVerdict} from '../../core/budget.ts';
import {EXIT_CODES, ThawError} from '../../core/errors.ts';
import type {Report, RunRequest} from '../../core/report.ts';
import {createRedactor} from '../../core/redact.ts';
import {digestOf} from '../../core/digest.ts';
import {DURATION_EXAMPLE, parseDuration} from '../../core/units.ts';
import type {Workshop} from '../compose.ts';
import type {Surroundings} from '../project-command.ts';
import {openProject, thawDir, type Project} from '../project.ts';
import {readRequestBody, type RequestBody} from '../request-body.ts';
import type {Terminal} from '../terminal.ts';
import {readExports, writeExports} from './exports.ts';
import {readLoadShape, type LoadFlags} from './load-shape.ts';
import {measureTargets} from './measure.ts';
import {showBudgets, showReport} from './show-report.ts';
import {
  isFolder,
  isUrl,
  openDeploymentTarget,
  openUrlTarget,
  type EndpointFlags,
  type Target,
} from './targets.ts';

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
  /** Providers, URLs and folders of projects, as named on the command line. */
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
  const targets = await openTargets(request, place);
  terminal.redactWith(createRedactor(targets.flatMap(({secrets}) => secrets)));

  // Of a URL nothing makes an instance end, so cold requests are not counted on; a load alone needs no shots.
  const deployed = targets.some(({run}) => run.image !== null);
  const run: RunRequest = {
    cold: flags.cold ?? (load === null && deployed ? COLD_DEFAULT : 0),
    warm: flags.warm ?? (load === null ? WARM_DEFAULT : 0),
    load,
    method: targets[0]?.method ?? 'POST',
    headers: [...new Set(targets.flatMap(({headers}) => headers))].sort(),
    bodies: describeBodies(targets),
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

/** Where a run belongs: to the project around the current folder, or, if none of its providers was named, to nobody. */
interface Place {
  readonly surroundings: Surroundings | null;
  readonly workshop: Workshop;
  readonly runsDir: string;
}

async function findPlace({named, openProject, openWorkshop, dataDir}: BenchmarkRequest): Promise<Place> {
  if (named.length > 0 && named.every((name) => isUrl(name) || isFolder(name))) {
    return {surroundings: null, workshop: await openWorkshop(), runsDir: join(dataDir, 'benchmarks')};
  }
  const surroundings = await openProject();
  const runsDir = join(thawDir(surroundings.project.config), 'benchmarks');
  return {surroundings, workshop: surroundings.workshop, runsDir};
}

/** The bodies that were given; null if none was. */
async function readGivenBodies(
  {data}: BenchmarkFlags,
  own: Project | null,
): Promise<readonly RequestBody[] | null> {
  if (data === undefined) return null;
  return Promise.all(data.map((text) => readRequestBody(text, own?.config.dir ?? '.')));
}

async function openTargets(request: BenchmarkRequest, place: Place): Promise<readonly Target[]> {
  const {named, flags, signal} = request;
  const {surroundings, workshop, runsDir} = place;
  const own = surroundings?.project ?? null;
  const names = named.length > 0 ? named : [own?.config.default ?? ''];
  const endpoint = readEndpointFlags(flags);
  const given = await readGivenBodies(flags, own);
  const bodiesFor = async (project: Project | null): Promise<readonly RequestBody[]> =>
    given ?? (project === null ? [] : [await readRequestBody(undefined, project.config.dir)]);
  const open = async (name: string): Promise<Target> => {
    if (isUrl(name)) return openUrlTarget(name, endpoint, workshop, await bodiesFor(own), signal);
    const other = isFolder(name) ? await openProject(undefined, resolve(name)) : null;
    const project = other ?? surroundings!.project;
    const context = other ? workshop.context(other.config.dir) : surroundings!.context;
    return openDeploymentTarget({
      label: other ? other.config.name : name,
      project,
      provider: await project.provider(other ? other.config.default : name),
      context,
      bodies: await bodiesFor(project),
      runsDir,
    });
  };
  const targets = await Promise.all([...new Set(names)].map(open));
  refuseSameLabels(targets);
  return targets;
}

/** What is in a report goes by its label. */
function refuseSameLabels(targets: readonly Target[]): void {
  const labels = targets.map(({run}) => run.provider);
  const twice = labels.find((label, at) => labels.indexOf(label) !== at);
  if (twice === undefined) return;
  throw new ThawError('USAGE', `two targets are called ${twice}: give one of the functions another name`, {
    target: twice,
  });
}

/** The bodies of all targets, each once. */
function describeBodies(targets: readonly Target[]): RunRequest['bodies'] {
  const all = targets.flatMap(({bodies}) =>
    bodies.map(({bytes, source}) => ({digest: digestOf(bytes), bytes: bytes.length, source})),
  );
  return all.filter(({digest}, at) => all.findIndex((body) => body.digest === digest) === at);
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
