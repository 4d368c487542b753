import {hasSampleOf} from '../../benchmark/earlier-samples.ts';
import {openEndpoint} from '../../benchmark/endpoint.ts';
import type {Context} from '../../core/driver.ts';
import type {RunTarget} from '../../core/report.ts';
import type {Invocation, Shot} from '../../core/sample.ts';
import {applyPlan} from '../../deploy/apply.ts';
import {openSigner} from '../../providers/signers.ts';
import type {Workshop} from '../compose.ts';
import {inspectDeployed} from '../deployed.ts';
import {BOOT_ALLOWANCE_MS} from '../invoke-function.ts';
import type {Project, ProjectProvider} from '../project.ts';
import type {RequestBody} from '../request-body.ts';

/** Something that can be measured: a deployment of this project, or any endpoint. */
export interface Target {
  readonly run: RunTarget;
  readonly method: string;
  /** Names of the headers that are sent. */
  readonly headers: readonly string[];
  /** What must be kept out of every output. */
  readonly secrets: readonly string[];
  readonly timeoutMs: number;
  readonly fire: (shot: Shot) => Promise<Invocation>;
  /** Makes the next request cold, as far as that is in anyone's power. */
  readonly chill: () => Promise<void>;
}

/** A deployment, reached as its provider reaches it. */
export async function openDeploymentTarget(
  project: Project,
  provider: ProjectProvider,
  context: Context,
  bodies: readonly RequestBody[],
  runsDir: string,
): Promise<Target> {
  const {driver, site} = provider;
  const fn = {name: project.config.name};
  const {deployment, view} = await inspectDeployed(project, provider, context);
  const timeoutMs = provider.config.settings.timeoutMs + BOOT_ALLOWANCE_MS;
  return {
    run: {
      provider: driver.name,
      url: deployment.url,
      image: deployment.image,
      notes: view.status.notes ?? (driver.limits.runsImage ? [] : ['not the image, only its contents']),
      freshImage: !(await hasSampleOf(runsDir, driver.name, deployment.image)),
    },
    method: 'POST',
    headers: ['content-type'],
    secrets: [],
    timeoutMs,
    fire: (shot) =>
      site.invoke(context, deployment, {
        body: bodies[shot.index % bodies.length]?.bytes ?? new Uint8Array(),
        contentType: 'application/json',
        timeoutMs,
        keepConnection: shot.want === 'any',
      }),
    async chill() {
      const plan = (await site.inspect(context, fn)).chill();
      await applyPlan(plan, {ops: driver.ops, context, image: null, secret: () => ''});
    },
  };
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
    method: endpoint.method,
    headers: endpoint.headerNames,
    secrets: endpoint.secrets,
    timeoutMs: flags.timeoutMs,
    fire: (shot) => endpoint.fire(shot),
    chill: async () => {},
  };
}

/** Whether a target on the command line is a URL; anything else is a provider of thaw.yaml. */
export const isUrl = (text: string): boolean => /^[a-z][a-z\d+.-]*:\/\//i.test(text);
