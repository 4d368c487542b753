import type {Context, View} from '../core/driver.ts';
import type {Deployment} from '../core/deployment.ts';
import {ThawError} from '../core/errors.ts';
import type {Project, ProjectProvider} from './project.ts';

/** A provider on which the project's function is there to be called. */
export interface Deployed {
  readonly view: View;
  readonly deployment: Deployment;
}

/**
 * Looks at the project's function at a provider.
 *
 * @throws ThawError NOT_DEPLOYED if there is nothing that could be called
 */
export async function inspectDeployed(
  {config}: Project,
  {driver, site}: ProjectProvider,
  context: Context,
): Promise<Deployed> {
  const view = await site.inspect(context, {name: config.name});
  const {deployment, problem} = view.status;
  if (deployment) return {view, deployment};
  const state = problem ? `is not ready: ${problem}` : 'is not deployed';
  throw new ThawError('NOT_DEPLOYED', `${config.name} ${state} on ${driver.name}`, {provider: driver.name});
}
