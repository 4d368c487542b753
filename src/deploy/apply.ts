import type {ArchiveOnDisk} from '../core/archive.ts';
import type {Context, Op, Retry} from '../core/driver.ts';
import {messageOf, ThawError, type ErrorCode} from '../core/errors.ts';
import type {JsonObject} from '../core/json.ts';
import {resolveArg, type Arg, type Outputs, type Plan, type Step} from '../core/plan.ts';
import type {ImageOnDisk} from '../core/ports.ts';

/** What happens while a plan is applied, for a progress display or a log. */
export type ApplyEvent =
  | {
      readonly kind: 'stepStarted';
      readonly step: Step;
      /** From 1 to `of`. */
      readonly index: number;
      readonly of: number;
    }
  | {
      readonly kind: 'stepProgress';
      readonly step: Step;
      readonly doneBytes: number;
      readonly totalBytes: number | null;
    }
  | {
      readonly kind: 'stepRetried';
      readonly step: Step;
      /** The attempt that just failed, from 1. */
      readonly attempt: number;
      readonly waitMs: number;
      readonly problem: Problem;
    }
  | {readonly kind: 'stepDone'; readonly step: Step; readonly elapsedMs: number}
  | {readonly kind: 'stepFailed'; readonly step: Step; readonly elapsedMs: number; readonly problem: Problem};

/** An error as data; a bug in thaw has no code. */
export interface Problem {
  readonly code: ErrorCode | null;
  readonly message: string;
}

/** What a plan is applied with. */
export interface ApplyWith {
  /** The ops of the driver that made the plan. */
  readonly ops: {readonly [name: string]: Op};
  readonly context: Context;
  /** The image that the plan deploys, if it deploys one. */
  readonly image: ImageOnDisk | null;
  /** The archive that it deploys in the image's place, if it does. */
  readonly archive?: ArchiveOnDisk | null;
  /** The value of a declared variable. @throws ThawError SECRET_MISSING */
  readonly secret: (name: string) => string;
  readonly onEvent?: (event: ApplyEvent) => void;
  /** From 0 up to 1: spreads the waits between attempts. */
  readonly random?: () => number;
}

/**
 * Applies a plan: runs its steps in order, hands each one the outputs of those before it, and retries as the step's
 * op declares. Returns every step's outputs by step id.
 *
 * What can be known beforehand is checked before the first write: every op exists and every secret has a value.
 * Nothing is undone after a failure: ops are idempotent, so the next plan goes on from where this one stopped.
 *
 * @throws ThawError of an op, with its code and facts, its message led by where it happened, and the facts
 *   `{op, step, function}` and how many steps of how many were done, `{done, of}`, added; INTERRUPTED, with the same,
 *   when the signal fires: the step that runs is told through its context and is waited for. Any other error of an op is
 *   a bug and passes through untouched.
 */
export async function applyPlan(plan: Plan, applyWith: ApplyWith): Promise<ReadonlyMap<string, Outputs>> {
  const {ops, context, secret, onEvent = () => {}} = applyWith;
  const stranger = plan.steps.find((step) => !Object.hasOwn(ops, step.op));
  if (stranger) throw new TypeError(`no op is called ${stranger.op}`);
  const secrets = new Map(
    plan.steps.flatMap((step) => secretsIn(step.args)).map((name) => [name, secret(name)]),
  );

  const outputs = new Map<string, Outputs>();
  for (const [position, step] of plan.steps.entries()) {
    if (context.signal.aborted) throw interruption(step, plan, position, context.signal.reason);
    const startedMs = context.ports.clock.monotonicMs();
    const elapsedMs = (): number => context.ports.clock.monotonicMs() - startedMs;
    onEvent({kind: 'stepStarted', step, index: position + 1, of: plan.steps.length});
    try {
      const args = resolveArg(step.args, outputs, (name) => secrets.get(name) ?? '') as JsonObject;
      outputs.set(step.id, await runStep(step, args, applyWith));
    } catch (error) {
      const located = locate(error, step, plan, position, context.signal);
      onEvent({kind: 'stepFailed', step, elapsedMs: elapsedMs(), problem: problemOf(located)});
      throw located;
    }
    onEvent({kind: 'stepDone', step, elapsedMs: elapsedMs()});
  }
  return outputs;
}

async function runStep(step: Step, args: JsonObject, applyWith: ApplyWith): Promise<Outputs> {
  const {context, image, archive = null, onEvent = () => {}, random = Math.random} = applyWith;
  const {clock} = context.ports;
  const op = applyWith.ops[step.op] as Op;
  const opContext = {
    ...context,
    image,
    archive,
    progress: (doneBytes: number, totalBytes: number | null) =>
      onEvent({kind: 'stepProgress', step, doneBytes, totalBytes}),
  };
  const startedMs = clock.monotonicMs();
  for (let attempt = 1; ; attempt++) {
    try {
      return await op.run(opContext, args);
    } catch (error) {
      const leftMs = op.retry ? op.retry.forMs - (clock.monotonicMs() - startedMs) : 0;
      if (!op.retry || leftMs <= 0 || context.signal.aborted || !op.retry.when(error)) throw error;
      const waitMs = Math.min(backoffMs(op.retry, attempt, random), leftMs);
      onEvent({kind: 'stepRetried', step, attempt, waitMs, problem: problemOf(error)});
      await clock.sleep(waitMs, context.signal);
    }
  }
}

/** The wait after a failed attempt: doubling from `firstMs` up to `maxMs`, of which a random half is taken away. */
export function backoffMs(retry: Retry, attempt: number, random: () => number): number {
  const wholeMs = Math.min(retry.maxMs, retry.firstMs * 2 ** (attempt - 1));
  return wholeMs / 2 + (wholeMs / 2) * random();
}

/** Says where an error happened. A bug stays as it was thrown, so that its own stack is what gets reported. */
function locate(error: unknown, step: Step, plan: Plan, done: number, signal: AbortSignal): unknown {
  if (signal.aborted && (isAbort(error) || isInterruption(error)))
    return interruption(step, plan, done, error);
  if (!(error instanceof ThawError)) return error;
  const message = `${step.op} for ${plan.function}: ${error.message}`;
  const facts = {...error.facts, ...whereIs(step, plan), done, of: plan.steps.length};
  return new ThawError(error.code, message, facts, {cause: error});
}

function interruption(step: Step, plan: Plan, done: number, cause: unknown): ThawError {
  const of = plan.steps.length;
  const message = `interrupted at ${step.op} for ${plan.function}, after ${done} of ${of} steps`;
  return new ThawError('INTERRUPTED', message, {...whereIs(step, plan), done, of}, {cause});
}

const whereIs = (step: Step, plan: Plan): JsonObject => ({
  op: step.op,
  step: step.id,
  function: plan.function,
});

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError';
const isInterruption = (error: unknown): boolean =>
  error instanceof ThawError && error.code === 'INTERRUPTED';

function problemOf(error: unknown): Problem {
  return {code: error instanceof ThawError ? error.code : null, message: messageOf(error)};
}

function secretsIn(arg: Arg): string[] {
  if (typeof arg !== 'object' || arg === null) return [];
  if ('$secret' in arg && typeof arg.$secret === 'string') return [arg.$secret];
  return Object.values(arg).flatMap((member: Arg) => secretsIn(member));
}
