import type {Context, View} from '../core/driver.ts';
import type {Plan} from '../core/plan.ts';
import {acquireDeployLock} from '../deploy/lock.ts';
import {carryOutPlan, confirmPlan} from './apply-plan.ts';
import type {Project, ProjectProvider} from './project.ts';
import type {Terminal} from './terminal.ts';

export interface ChangeRequest {
  readonly project: Project;
  readonly provider: ProjectProvider;
  readonly context: Context;
  readonly terminal: Terminal;
  readonly question: string;
  readonly yes: boolean;
}

/** Changes what is already deployed: looks, plans, asks, applies. No other command does so at the same time. */
export async function changeDeployment(
  request: ChangeRequest,
  planFrom: (view: View) => Plan,
): Promise<Plan> {
  const {project, provider, context, terminal, question, yes} = request;
  const {driver, site} = provider;
  const lock = await acquireDeployLock({projectDir: project.config.dir, provider: driver.name});
  try {
    const plan = planFrom(await site.inspect(context, {name: project.config.name}));
    await confirmPlan(plan, question, yes, terminal);
    await carryOutPlan(plan, {terminal, context, driver, image: null, values: new Map()});
    return plan;
  } finally {
    await lock.release();
  }
}
