import {randomBytes} from 'node:crypto';
import type {ArchiveOnDisk} from '../core/archive.ts';
import {applyPlan, type ApplyEvent} from '../deploy/apply.ts';
import {renderPlan} from '../deploy/render-plan.ts';
import type {Context, Driver} from '../core/driver.ts';
import {ThawError} from '../core/errors.ts';
import {changingSteps, type Outputs, type Plan} from '../core/plan.ts';
import type {ImageOnDisk} from '../core/ports.ts';
import {formatBytes, formatMs} from '../core/units.ts';
import {askConfirmation} from './prompts.ts';
import type {Terminal} from './terminal.ts';

/** A key under which one command compares environment values, and which nobody else ever has. */
export const newFingerprintKey = (): Uint8Array => randomBytes(32);

/** What a plan is carried out with. */
export interface CarryOut {
  readonly terminal: Terminal;
  readonly context: Context;
  readonly driver: Driver;
  readonly image: ImageOnDisk | null;
  readonly archive?: ArchiveOnDisk | null;
  /** What `{$secret: name}` means. */
  readonly values: ReadonlyMap<string, string>;
}

/** Shows what would change and asks, unless nothing would or the answer was given. */
export async function confirmPlan(
  plan: Plan,
  question: string,
  yes: boolean,
  terminal: Terminal,
): Promise<void> {
  terminal.note(renderPlan(plan).trimEnd());
  if (yes || changingSteps(plan).length === 0) return;
  await askConfirmation(terminal, question, '--yes');
}

/** Applies a plan and shows each step as it goes. Gives every step's outputs. */
export async function carryOutPlan(
  plan: Plan,
  {terminal, context, driver, image, archive = null, values}: CarryOut,
): Promise<ReadonlyMap<string, Outputs>> {
  return applyPlan(plan, {
    ops: driver.ops,
    context,
    image,
    archive,
    secret: (name) => {
      const value = values.get(name);
      if (value === undefined) throw new ThawError('SECRET_MISSING', `${name} has no value`, {names: [name]});
      return value;
    },
    onEvent: (event) => showEvent(event, terminal),
  });
}

function showEvent(event: ApplyEvent, terminal: Terminal): void {
  const {good, bad, dim} = terminal.paint;
  const {op} = event.step;
  if (event.kind === 'stepDone') terminal.note(`${good('✓')} ${op} ${dim(formatMs(event.elapsedMs))}`);
  if (event.kind === 'stepFailed') terminal.note(`${bad('✗')} ${op}`);
  if (event.kind === 'stepRetried') {
    terminal.detail(`${op}: ${event.problem.message}; again in ${formatMs(event.waitMs)}`);
  }
  if (event.kind === 'stepProgress') terminal.detail(`${op}: ${formatBytes(event.doneBytes)}`);
}
