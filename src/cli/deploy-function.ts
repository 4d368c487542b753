import {completeFunction} from '../config/function.ts';
import {fingerprintWith} from '../core/digest.ts';
import type {Context} from '../core/driver.ts';
import type {Deployment} from '../core/deployment.ts';
import type {Plan} from '../core/plan.ts';
import type {ImageOnDisk} from '../core/ports.ts';
import {createRedactor} from '../core/redact.ts';
import {acquireDeployLock} from '../deploy/lock.ts';
import {renderPlan} from '../deploy/render-plan.ts';
import {refuseBeyondLimits} from '../image/limits.ts';
import {readHandlerPackages} from '../image/sbom.ts';
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
  readonly values: ReadonlyMap<string, string>;
}

/** Plans a deploy of the packaged image: reads the provider, writes nothing. */
export async function planDeploy({
  project,
  provider,
  context,
  terminal,
}: DeployRequest): Promise<PlannedDeploy> {
  const image = await readPackagedImage(project, context.thawVersion);
  const {driver} = provider;
  const packages = await readHandlerPackages(sbomFile(project.config), image.image.digest);
  refuseBeyondLimits(image.image, driver.limits, driver.name, packages);
  const fingerprint = fingerprintWith(context.fingerprintKey);
  const fn = completeFunction(project.config, provider.config, image.image.digest, fingerprint, process.env);
  const secretNames = Object.keys(provider.config.settings.secrets);
  terminal.redactWith(createRedactor(secretNames.map((name) => fn.values.get(name) ?? '')));
  const view = await provider.site.inspect(context, {name: project.config.name});
  return {plan: view.deploy({...fn.spec, platform: image.image.platform}), image, values: fn.values};
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
    const {plan, image, values} = await planDeploy(request);
    await confirmPlan(plan, `Deploy ${project.config.name} to ${driver.name}?`, yes, terminal);
    await carryOutPlan(plan, {terminal, context, driver, image, values});
    const {deployment} = await inspectDeployed(project, provider, context);
    terminal.result(`${driver.name}\t${deployment.url}`);
    return {provider: driver.name, plan, deployment};
  } finally {
    await lock.release();
  }
}
