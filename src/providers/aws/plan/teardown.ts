import type {FunctionRef} from '../../../core/driver.ts';
import {makePlan, type Plan} from '../../../core/plan.ts';
import type {Have} from '../have.ts';
import {logGroupName, OWNER_TAG, repositoryName, roleName} from '../names.ts';
import type {AwsOptions} from '../options.ts';
import {gone, openDraft, placeOf} from './draft.ts';
import {addTriggerTeardown} from './triggers.ts';

/** Deletes what carries thaw's tag for this function, and nothing else. */
export function planTeardown(fn: FunctionRef, options: AwsOptions, have: Have): Plan {
  const {name} = fn;
  const draft = openDraft(name, options, have);
  const isOurs = (tagged: {readonly tags: {readonly [key: string]: string}} | null): boolean =>
    tagged?.tags[OWNER_TAG] === name;
  addTriggerTeardown(draft, have);
  if (have.fn?.ours) {
    for (const {version} of have.fn.schedules) {
      const op = 'application-autoscaling:DeregisterScalableTarget';
      const why = 'it outlives the function otherwise';
      draft.add(`unschedule-${version}`, op, {name, version}, gone('warm.schedule', version), why);
    }
    if (have.fn.state !== 'Deleting') {
      const why = 'thaw made it, with its versions, its alias and its URL';
      draft.add('function', 'lambda:DeleteFunction', {name, version: null}, gone('function', name), why);
    }
    draft.add('function-gone', 'lambda:WaitFunctionDeleted', {name}, [], 'it uses its role until then');
  }
  if (isOurs(have.repository)) {
    const repository = repositoryName(name);
    const why = 'thaw made it, for images of this function';
    draft.add('repository', 'ecr:DeleteRepository', {name: repository}, gone('repository', repository), why);
  }
  if (isOurs(have.role)) {
    const role = roleName(name, have.account.region);
    draft.add('role', 'iam:DeleteRole', {name: role}, gone('role', role), 'thaw made it');
  }
  if (isOurs(have.logs)) {
    const group = logGroupName(name);
    draft.add('logs', 'logs:DeleteLogGroup', {name: group}, gone('logs', group), 'thaw made it');
  }
  const left = options.repository === null ? {} : {left: `images in ${options.repository}, which is yours`};
  return makePlan('aws', name, draft.steps, {...placeOf(have), ...left});
}
