import type {FunctionSpec} from '../../../core/function.ts';
import type {FunctionFound} from '../inspect/have.ts';
import type {Draft} from './draft.ts';
import {reservedFor} from './quota.ts';

/**
 * Reserves as many instances as there may be. What is kept ready must fit: more room comes before it, less after it.
 *
 * @returns how many are reserved then, and what adds the step that has to come after
 */
export function addConcurrencyBefore(
  draft: Draft,
  fn: FunctionSpec,
  found: FunctionFound | null,
): {readonly most: number | null; readonly after: () => void} {
  const {name, have, add} = draft;
  const from = found?.reserved ?? null;
  const to = reservedFor(fn, have);
  const nothing = {most: to, after: () => {}};
  if (from === to) return nothing;
  const changes = [{path: 'scaling.maxInstances', from, to: fn.scaling.maxInstances}];
  const put = (): void => {
    if (to === null) {
      const why = `the account itself has no more than ${have.concurrency?.max ?? 'that'}`;
      add('concurrency', 'lambda:DeleteFunctionConcurrency', {name}, changes, why);
    } else {
      const why = `at most ${to} instances`;
      add('concurrency', 'lambda:PutFunctionConcurrency', {name, reserved: to}, changes, why);
    }
  };
  const isMore = from !== null && (to === null || to > from);
  if (isMore) {
    put();
    return nothing;
  }
  return {most: to, after: put};
}
