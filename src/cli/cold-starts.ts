import {
  deploymentOfColdStart,
  type ColdStart,
  type Context,
  type FunctionRef,
  type Site,
} from '../core/driver.ts';
import type {Deployment} from '../core/deployment.ts';
import {ThawError} from '../core/errors.ts';
import type {Outputs, Plan} from '../core/plan.ts';

/** How long what is deleted after an interrupt may take. */
const TIDY_MS_MAX = 60_000;

/** The cold starts of one function, and whom to ask meanwhile. */
export interface ColdStarts {
  /** What was made cold last; else what is live. */
  asked(): Deployment;
  /** Makes the next request to what is asked then cold. */
  chill(): Promise<void>;
  /**
   * Deletes what cold starts were made of, also after an interrupt; what is live is asked from here on.
   *
   * @param onWork called if there is something to delete
   * @returns why that did not succeed; null if it did
   */
  tidy(onWork?: () => void): Promise<ThawError | null>;
}

export interface ColdStartsOf {
  readonly site: Site;
  readonly fn: FunctionRef;
  readonly context: Context;
  /** What is live. */
  readonly deployment: Deployment;
  readonly apply: (plan: Plan, context: Context) => Promise<ReadonlyMap<string, Outputs>>;
}

export function openColdStarts({site, fn, context, deployment, apply}: ColdStartsOf): ColdStarts {
  let asked = deployment;
  return {
    asked: () => asked,
    async chill() {
      const coldStart: ColdStart = (await site.inspect(context, fn)).chill();
      asked = deploymentOfColdStart(coldStart, await apply(coldStart.plan, context));
    },
    async tidy(onWork = () => {}) {
      asked = deployment;
      const {aborted} = context.signal;
      const still = aborted ? {...context, signal: AbortSignal.timeout(TIDY_MS_MAX)} : context;
      try {
        const plan = (await site.inspect(still, fn)).tidy();
        if (plan.steps.length > 0) onWork();
        await apply(plan, still);
        return null;
      } catch (error) {
        if (error instanceof ThawError) return error;
        throw error;
      }
    },
  };
}
