import type {Deployment} from '../../core/deployment.ts';
import type {Context} from '../../core/driver.ts';
import {messageOf} from '../../core/errors.ts';
import type {Plan} from '../../core/plan.ts';
import {acquireDeployLock} from '../../deploy/lock.ts';
import {carryOutPlan} from '../apply-plan.ts';
import {changeDeployment} from '../change-deployment.ts';
import {planDeploy} from '../deploy-function.ts';
import {inspectDeployed} from '../deployed.ts';
import type {Project, ProjectProvider} from '../project.ts';
import type {Terminal} from '../terminal.ts';
import {describeLine} from './describe-line.ts';
import type {DevEvent} from './events.ts';

/** What was deployed of a project; more than one function if its name has been changed. */
interface Live {
  readonly project: Project;
  readonly provider: ProjectProvider;
  /** Whether it was there before, and is to be there afterwards. */
  readonly wasThere: boolean;
}

/** The functions that run while a project is worked on: deploys them, follows the last one, and ends what it made. */
export class LiveFunctions {
  readonly #context: Context;
  readonly #terminal: Terminal;
  readonly #show: (event: DevEvent, at: Date) => void;
  readonly #live = new Map<string, Live>();
  #url: string | null = null;
  #followed: {readonly name: string; stop(): Promise<void>} | null = null;

  constructor(context: Context, terminal: Terminal, show: (event: DevEvent, at: Date) => void) {
    this.#context = context;
    this.#terminal = terminal;
    this.#show = show;
  }

  /** Where the last version answers; null before there is one. */
  get url(): string | null {
    return this.#url;
  }

  /**
   * Deploys what is packaged and follows its requests. Ends the function that had another name.
   *
   * @param superseded fires when there is something newer to deploy
   */
  async deploy(
    project: Project,
    provider: ProjectProvider,
    superseded: AbortSignal,
  ): Promise<{
    readonly deployment: Deployment;
    readonly settings: readonly string[];
    readonly first: boolean;
  }> {
    const context = {...this.#context, signal: AbortSignal.any([this.#context.signal, superseded])};
    const {name} = project.config;
    const {driver, site} = provider;
    const sinceMs = Date.now();
    const lock = await acquireDeployLock({projectDir: project.config.dir, provider: driver.name});
    let plan: Plan;
    let deployment: Deployment;
    const first = this.#followed?.name !== name;
    try {
      if (!this.#live.has(name)) {
        const {status} = await site.inspect(context, {name});
        this.#live.set(name, {project, provider, wasThere: status.state !== 'absent'});
      }
      const planned = await planDeploy({project, provider, context, terminal: this.#terminal});
      ({plan} = planned);
      const {image, values} = planned;
      await carryOutPlan(plan, {terminal: this.#terminal.muted(), context, driver, image, values});
      ({deployment} = await inspectDeployed(project, provider, context));
    } finally {
      await lock.release();
    }
    if (first) {
      await this.#followed?.stop();
      this.#followed = await this.#follow(provider, deployment, sinceMs);
    }
    for (const other of [...this.#live.keys()].filter((known) => known !== name)) await this.#end(other);
    if (deployment.url !== this.#url) this.#terminal.result(`${driver.name}\t${deployment.url}`);
    this.#url = deployment.url;
    return {deployment, settings: first ? [] : settingsIn(plan), first};
  }

  /** Stops following, and ends what was not there before. */
  async leave(): Promise<{readonly destroyed: readonly string[]; readonly left: readonly string[]}> {
    await this.#followed?.stop();
    this.#followed = null;
    const names = [...this.#live.keys()];
    const left = names.filter((name) => this.#live.get(name)?.wasThere);
    for (const name of names) await this.#end(name);
    return {destroyed: names.filter((name) => !left.includes(name)), left};
  }

  async #end(name: string): Promise<void> {
    const live = this.#live.get(name);
    this.#live.delete(name);
    if (!live || live.wasThere) return;
    const {project, provider} = live;
    await changeDeployment(
      {
        project,
        provider,
        // The signal has fired when everything ends, which must not keep it from ending.
        context: {...this.#context, signal: new AbortController().signal},
        terminal: this.#terminal.muted(),
        question: '',
        yes: true,
      },
      (view) => view.teardown(),
    );
  }

  /** Shows each line of the function's log from some time on; resolves when none is missed any more. */
  async #follow(
    {driver, site}: ProjectProvider,
    deployment: Deployment,
    sinceMs: number,
  ): Promise<{readonly name: string; stop(): Promise<void>}> {
    const stopped = new AbortController();
    const signal = AbortSignal.any([this.#context.signal, stopped.signal]);
    const read = async (onFollowing: () => void): Promise<void> => {
      const query = {sinceMs, follow: true, requests: true, onFollowing};
      try {
        for await (const line of site.logs({...this.#context, signal}, deployment, query)) {
          this.#show(describeLine(line), new Date(line.at));
        }
      } catch (error) {
        if (!signal.aborted)
          this.#terminal.warning(`requests on ${driver.name} are not shown: ${messageOf(error)}`);
      }
      onFollowing();
    };
    let ended: Promise<void> = Promise.resolve();
    await new Promise<void>((resolve) => {
      ended = read(resolve);
    });
    return {
      name: deployment.function,
      stop: () => {
        stopped.abort();
        return ended;
      },
    };
  }
}

/** The settings that a plan changes, without the code. */
const settingsIn = (plan: Plan): string[] => {
  const paths = plan.steps.flatMap(({changes}) => changes.map(({path}) => path));
  return [...new Set(paths)].filter((path) => path !== 'image' && path !== 'gateway');
};
