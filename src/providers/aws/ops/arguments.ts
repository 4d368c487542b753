import type {OpContext, Retry} from '../../../core/driver.ts';
import {ThawError} from '../../../core/errors.ts';
import type {Json, JsonObject} from '../../../core/json.ts';
import type {Outputs} from '../../../core/plan.ts';
import {ownSignal, type Aws, type OpenAws, type Place} from '../calls/clients.ts';
import {ask, askFor, isTransient, PATIENTLY} from '../calls/errors.ts';
import {LIVE} from '../names.ts';

/** What an op works with: its arguments as the planner wrote them, and AWS at the place that they name. */
export interface Job {
  readonly context: OpContext;
  readonly aws: Aws;
  readonly signal: AbortSignal;
  /** How every call is made. */
  readonly how: {readonly abortSignal: AbortSignal};
  readonly args: JsonObject;
  /** The argument of that name, which is text. */
  readonly text: (name: string) => string;
  /** Calls AWS; failures come in thaw's words. */
  readonly ask: <T>(action: string, resource: string, call: () => Promise<T>) => Promise<T>;
  /** The same; null if it is not there. */
  readonly askFor: <T>(action: string, resource: string, call: () => Promise<T>) => Promise<T | null>;
}

/** Makes an op of what it does. */
export type MakeOp = (
  run: (job: Job) => Promise<Outputs | void>,
  retry?: Retry,
) => {readonly retry: Retry; run(context: OpContext, args: JsonObject): Promise<Outputs>};

export function createMakeOp(openAws: OpenAws): MakeOp {
  return (run, retry = PATIENTLY) => ({
    retry,
    async run(context, args) {
      const signal = ownSignal(context.signal);
      const job: Job = {
        context,
        aws: openAws(context, args['at'] as unknown as Place),
        signal,
        how: {abortSignal: signal},
        args,
        text: (name) => args[name] as string,
        ask: (action, resource, call) => ask({action, resource}, signal, call),
        askFor: (action, resource, call) => askFor({action, resource}, signal, call),
      };
      return (await run(job)) ?? {};
    },
  });
}

/** The alias that a step is about: the live one, unless it names another. */
export const aliasOf = ({alias}: JsonObject): string => (typeof alias === 'string' ? alias : LIVE);

const POLL_FIRST_MS = 300;
const POLL_MAX_MS = 3000;

/**
 * Asks again and again until there is an answer other than null. Waits may last: failures that pass count from when AWS
 * was last heard of.
 *
 * @param explain says what is still missing, if it is not clear
 * @throws ThawError WAIT_TIMED_OUT
 */
export async function poll<T extends Json>(
  {context: {ports}, signal}: Job,
  what: string,
  forMs: number,
  read: () => Promise<T | null>,
  explain: () => readonly string[] = () => [],
): Promise<T> {
  const {clock} = ports;
  const untilMs = clock.monotonicMs() + forMs;
  let heardMs = clock.monotonicMs();
  for (let waitMs = POLL_FIRST_MS; ; waitMs = Math.min(POLL_MAX_MS, waitMs * 1.5)) {
    try {
      const answer = await read();
      if (answer !== null) return answer;
      heardMs = clock.monotonicMs();
    } catch (error) {
      if (!isTransient(error) || clock.monotonicMs() - heardMs >= PATIENTLY.forMs) throw error;
    }
    if (clock.monotonicMs() >= untilMs) {
      const missing = explain();
      const why = missing.length === 0 ? '' : `: ${missing.join('; ')}`;
      const message = `${what} took longer than ${forMs / 1000} s${why}`;
      throw new ThawError('WAIT_TIMED_OUT', message, {provider: 'aws', what, forMs, missing});
    }
    await clock.sleep(waitMs, signal);
  }
}

/** Somebody else changed what a plan was made for. */
export function changedMeanwhile(what: string, facts: JsonObject): ThawError {
  const message = `${what} has been changed by somebody else since the plan was made`;
  return new ThawError('PROVIDER_CONFLICT', message, {provider: 'aws', reason: 'changed', ...facts});
}
