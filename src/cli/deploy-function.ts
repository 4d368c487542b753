import {completeFunction} from '../config/function.ts';
import {fingerprintWith} from '../core/digest.ts';
import type {ArchiveOnDisk} from '../core/archive.ts';
import type {Context} from '../core/driver.ts';
import type {Deployment} from '../core/deployment.ts';
import type {Plan} from '../core/plan.ts';
import type {ImageOnDisk} from '../core/ports.ts';
import {createRedactor} from '../core/redact.ts';
import {acquireDeployLock} from '../deploy/lock.ts';
import {renderPlan} from '../deploy/render-plan.ts';
import {refuseBeyondLimits} from '../image/limits.ts';
import {readHandlerPackages} from '../image/sbom.ts';
import {bringArchive} from './bring-archive.ts';
import {carryOutPlan, confirmPlan} from './apply-plan.ts';
import {inspectDeployed} from './deployed.ts';
import {readPackagedImage, sbomFile} from './packaged-image.ts';
import type {Project, ProjectProvider} from './project.ts';
import type {Terminal} from './terminal.ts';

export interface DeployRequest {
  readonly project: Project;
  readonly provider: ProjectProvider;
  readonly context: Context;
  readonly terminal: Terminal;
}

/** What a deploy would do, and what doing it needs. */
export interface PlannedDeploy {
  readonly plan: Plan;
  readonly image: ImageOnDisk;
  /** The archive that is deployed in the image's place; null where the provider runs images. */
  readonly archive: ArchiveOnDisk | null;
  readonly values: ReadonlyMap<string, string>;
}

/** Plans a deploy of the packaged image: reads the provider, and writes nothing outside of `.thaw`. */
export async function planDeploy({
  project,
  provider,
  context,
  terminal,
}: DeployRequest): Promise<PlannedDeploy> {
  const image = await readPackagedImage(project, context.thawVersion);
  const {driver, site} = provider;
  const packages = await readHandlerPackages(sbomFile(project.config), image.image.digest);
  refuseBeyondLimits(image.image, driver.limits, driver.name, packages);
  const fingerprint = fingerprintWith(context.fingerprintKey);
  const fn = completeFunction(project.config, provider.config, image.image.digest, fingerprint, process.env);
  const secretNames = Object.keys(provider.config.settings.secrets);
  terminal.redactWith(createRedactor(secretNames.map((name) => fn.values.get(name) ?? '')));
  const archive =
    site.archive && (await bringArchive(project.config, image, site.archive, driver.name, context));
  const view = await site.inspect(context, {name: fn.spec.name, triggers: fn.spec.triggers});
  const spec = {
    ...fn.spec,
    platform: image.image.platform,
    ...(archive === null ? {} : {archive: archive.archive}),
  };
  return {plan: view.deploy(spec), image, archive, values: fn.values};
}

/** What became of one provider. */
export interface DeployResult {
  readonly provider: string;
  readonly plan: Plan;
  /** Null after a rehearsal. */
  readonly deployment: Deployment | null;
}

/** Shows what a deploy would do. */
export async function rehearseDeploy(request: DeployRequest): Promise<DeployResult> {
  const {plan} = await planDeploy(request);
  request.terminal.result(renderPlan(plan).trimEnd());
  return {provider: request.provider.driver.name, plan, deployment: null};
}

/** Deploys to one provider: plans, asks, applies, and gives the address. */
export async function deployFunction(
  request: DeployRequest & {readonly yes: boolean},
): Promise<DeployResult> {
  const {project, provider, context, terminal, yes} = request;
  const {driver} = provider;
  const lock = await acquireDeployLock({projectDir: project.config.dir, provider: driver.name});
  try {
    const {plan, image, archive, values} = await planDeploy(request);
    await confirmPlan(plan, `Deploy ${project.config.name} to ${driver.name}?`, yes, terminal);
    await carryOutPlan(plan, {terminal, context, driver, image, archive, values});
    const {deployment} = await inspectDeployed(project, provider, context);
    terminal.result(`${driver.name}\t${deployment.url}`);
    return {provider: driver.name, plan, deployment};
  } finally {
    await lock.release();
  }
}
