import {writeWarmMin} from '../config/edit.ts';
import type {Context} from '../core/driver.ts';
import {renderPlan} from '../deploy/render-plan.ts';
import {ThawError} from '../core/errors.ts';
import {changeDeployment} from './change-deployment.ts';
import {inspectDeployed} from './deployed.ts';
import type {Project, ProjectProvider} from './project.ts';
import type {Terminal} from './terminal.ts';

export interface WarmRequest {
  readonly project: Project;
  readonly provider: ProjectProvider;
  readonly context: Context;
  readonly terminal: Terminal;
  /** Undefined: what thaw.yaml says. */
  readonly min: number | undefined;
  readonly yes: boolean;
  readonly write: boolean;
  readonly dryRun: boolean;
}

/** Keeps so many instances ready, and writes it into thaw.yaml once that is done. */
export async function warmFunction(request: WarmRequest): Promise<object> {
  const {project, provider, context, terminal, yes, write, dryRun} = request;
  const {config} = project;
  const {warm, maxInstances} = provider.config.settings;
  const min = request.min ?? warm.min;
  if (min > maxInstances) {
    throw new ThawError(
      'USAGE',
      `--min ${min} is more than scaling.max ${maxInstances} of ${config.file}`,
      {},
    );
  }
  const {view} = await inspectDeployed(project, provider, context);
  const wish = {...warm, min};
  if (dryRun) {
    const plan = view.warm(wish);
    terminal.result(renderPlan(plan).trimEnd());
    return {schema: 'thaw.warm/1', min, plan, written: false};
  }
  const question = `Keep ${min} of ${config.name} ready on ${provider.driver.name}?`;
  const change = {project, provider, context, terminal, question, yes};
  const plan = await changeDeployment(change, (now) => now.warm(wish));
  const written = write && min !== warm.min;
  if (written) await writeWarmMin(config.file, provider.driver.name, min);
  return {schema: 'thaw.warm/1', min, plan, written};
}
