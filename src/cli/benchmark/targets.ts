import {hasSampleOf} from '../../benchmark/earlier-samples.ts';
import {openEndpoint} from '../../benchmark/endpoint.ts';
import type {Digest} from '../../core/digest.ts';
import type {StartupRecord} from '../../core/deployment.ts';
import type {Context, Driver, Site, StartupQuery} from '../../core/driver.ts';
import type {RunTarget} from '../../core/report.ts';
import type {Invocation, Shot} from '../../core/sample.ts';
import {applyPlan} from '../../deploy/apply.ts';
import {readImage} from '../../image/layout.ts';
import {openSigner} from '../../providers/signers.ts';
import {findBroughtArchive} from '../bring-archive.ts';
import type {Workshop} from '../compose.ts';
import {inspectDeployed} from '../deployed.ts';
import {openColdStarts} from '../cold-starts.ts';
import {BOOT_ALLOWANCE_MS, leftBehind} from '../invoke-function.ts';
import {imageDir} from '../packaged-image.ts';
import type {Project, ProjectProvider} from '../project.ts';
import type {RequestBody} from '../request-body.ts';

/** Something that can be measured: a deployment of this project, or any endpoint. */
export interface Target {
  readonly run: RunTarget;
  /** Sent in turn. */
  readonly bodies: readonly RequestBody[];
  readonly method: string;
  /** Names of the headers that are sent. */
  readonly headers: readonly string[];
  /** What must be kept out of every output. */
  readonly secrets: readonly string[];
  readonly timeoutMs: number;
  readonly fire: (shot: Shot) => Promise<Invocation>;
  /** Makes the next request cold, as far as that is in anyone's power. */
  readonly chill: () => Promise<void>;
  /** Deletes what cold starts were made of. Says what a reader must know where that does not succeed. */
  readonly tidy: (onWork: () => void) => Promise<readonly string[]>;
  /** What the provider itself recorded of some boots; null where there is nobody to ask. */
  readonly startups: ((query: StartupQuery) => Promise<readonly StartupRecord[]>) | null;
}

/** A deployment, and what it shall be asked. */
export interface DeploymentFlags {
  /** What it goes by in the report. */
  readonly label: string;
  readonly project: Project;
  readonly provider: ProjectProvider;
  readonly context: Context;
  readonly bodies: readonly RequestBody[];
  readonly runsDir: string;
}

/** A deployment, reached as its provider reaches it. */
export async function openDeploymentTarget(flags: DeploymentFlags): Promise<Target> {
  const {label, project, provider, context, bodies, runsDir} = flags;
  const {driver, site} = provider;
  const {deployment, view} = await inspectDeployed(project, provider, context);
  const timeoutMs = provider.config.settings.timeoutMs + BOOT_ALLOWANCE_MS;
  const starts = openColdStarts({
    site,
    fn: {name: project.config.name},
    context,
    deployment,
    apply: (plan, context) => applyPlan(plan, {ops: driver.ops, context, image: null, secret: () => ''}),
  });
  return {
    run: {
      provider: label,
      url: deployment.url,
      image: deployment.image,
      ...(await readSize(project, site, context, deployment.image)),
      notes: view.status.notes ?? notesOn(driver, site),
      freshImage: !(await hasSampleOf(runsDir, label, deployment.image)),
    },
    bodies,
    method: 'POST',
    headers: ['content-type'],
    secrets: [],
    timeoutMs,
    fire: (shot) =>
      site.invoke(context, starts.asked(), {
        body: bodies[shot.index % bodies.length]?.bytes ?? new Uint8Array(),
        contentType: 'application/json',
        timeoutMs,
        keepConnection: shot.want === 'any',
      }),
    chill: () => starts.chill(),
    async tidy(onWork) {
      const problem = await starts.tidy(onWork);
      return problem === null ? [] : [leftBehind(driver.name, problem)];
    },
    startups: (query) => site.startup(context, deployment, query),
  };
}

/** What runs, where it is not the image. */
function notesOn({limits}: Driver, {archive}: Site): readonly string[] {
  if (archive !== null)
    return ["not the image: a zip archive of its contents, on an interpreter of the provider's own"];
  return limits.runsImage ? [] : ['not the image, only its contents'];
}

/** What a deployed image takes compressed, or the archive of it; nothing if the project has another one by now. */
async function readSize(
  {config}: Project,
  site: Site,
  context: Context,
  digest: Digest,
): Promise<Pick<RunTarget, 'imageBytes' | 'archive'>> {
  const packaged = await readImage(imageDir(config)).catch(() => null);
  if (packaged?.image.digest !== digest) return {imageBytes: null};
  if (site.archive === null) {
    return {imageBytes: packaged.image.layers.reduce((sum, {bytes}) => sum + bytes, 0)};
  }
  const archive = await findBroughtArchive(config, packaged, site.archive, context);
  if (archive === null) return {imageBytes: null};
  return {imageBytes: null, archive: {bytes: archive.bytes, unpackedBytes: archive.unpackedBytes}};
}

/** How an endpoint that thaw did not make is asked. */
export interface EndpointFlags {
  readonly method: string | null;
  readonly headers: readonly string[];
  readonly bearerEnv: string | null;
  readonly sign: string | null;
  readonly timeoutMs: number;
}

/** Any endpoint, by its URL. Nothing can make it cold: what comes is classed by evidence, if it gives any. */
export async function openUrlTarget(
  url: string,
  flags: EndpointFlags,
  {ports}: Workshop,
  bodies: readonly RequestBody[],
  signal: AbortSignal,
): Promise<Target> {
  const endpoint = await openEndpoint({
    ...flags,
    url,
    bodies,
    sign: flags.sign === null ? null : await openSigner(flags.sign),
    env: process.env,
    http: ports.http,
    clock: ports.clock,
    signal,
  });
  return {
    run: {provider: endpoint.label, url: endpoint.url, image: null, notes: [], freshImage: false},
    bodies,
    method: endpoint.method,
    headers: endpoint.headerNames,
    secrets: endpoint.secrets,
    timeoutMs: flags.timeoutMs,
    fire: (shot) => endpoint.fire(shot),
    chill: async () => {},
    tidy: async () => [],
    startups: null,
  };
}

/** Whether a target on the command line is a URL. */
export const isUrl = (text: string): boolean => /^[a-z][a-z\d+.-]*:\/\//i.test(text);

/** Whether it is the folder of a project; anything else is a provider of thaw.yaml. */
export const isFolder = (text: string): boolean => /^\.{1,2}$|[\\/]/.test(text) && !isUrl(text);
