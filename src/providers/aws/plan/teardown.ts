import type {FunctionRef} from '../../../core/driver.ts';
import {makePlan, type Plan} from '../../../core/plan.ts';
import {isMadeFor} from '../inspect/findings.ts';
import type {FunctionFound, Have} from '../inspect/have.ts';
import {logGroupName, repositoryName, roleName} from '../names.ts';
import type {AwsOptions} from '../wanted/options.ts';
import {addUploadsTidying} from './archive-bucket.ts';
import {gone, openDraft, placeOf, type Draft} from './draft.ts';
import {addTriggerTeardown} from './triggers.ts';
import {addTidying} from './twins.ts';

/** Deletes what carries thaw's tag for this function, and nothing else. */
export function planTeardown(fn: FunctionRef, options: AwsOptions, have: Have): Plan {
  const {name} = fn;
  const draft = openDraft(name, options, have);
  if (have.fn !== null && isGuest(have.fn, have)) return planRelease(draft, have.fn);
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
  addUploadsTidying(draft);
  if (isMadeFor(name, have.repository)) {
    const repository = repositoryName(name);
    const why = 'thaw made it, for images of this function';
    draft.add('repository', 'ecr:DeleteRepository', {name: repository}, gone('repository', repository), why);
  }
  if (isMadeFor(name, have.role)) {
    const role = roleName(name, have.account.region);
    draft.add('role', 'iam:DeleteRole', {name: role}, gone('role', role), 'thaw made it');
  }
  if (isMadeFor(name, have.logs)) {
    const group = logGroupName(name);
    draft.add('logs', 'logs:DeleteLogGroup', {name: group}, gone('logs', group), 'thaw made it');
  }
  const left = options.repository === null ? {} : {left: `images in ${options.repository}, which is yours`};
  return makePlan('aws', name, draft.steps, {...placeOf(have), ...left});
}

/** Whether a function that thaw did not make has code of thaw's, which somebody may have pointed at since. */
const isGuest = ({ours, adopted, versions, imageUri}: FunctionFound, {repository}: Have): boolean =>
  !ours &&
  (adopted ||
    versions.some((version) => version.ours) ||
    (repository !== null && imageUri?.startsWith(`${repository.uri}@`) === true));

/**
 * Ends what thaw keeps ready of a function that it did not make, and what cold starts have left behind there. What the
 * function runs stays where it is.
 */
function planRelease(draft: Draft, found: FunctionFound): Plan {
  const {name, options, have, steps, add} = draft;
  const own = found.versions.filter(({ours}) => ours).map(({version}) => version);
  for (const {version} of found.schedules.filter((schedule) => own.includes(schedule.version))) {
    const op = 'application-autoscaling:DeregisterScalableTarget';
    add(`unschedule-${version}`, op, {name, version}, gone('warm.schedule', version), 'thaw made it');
  }
  for (const {version} of found.provisioned.filter((each) => own.includes(each.version))) {
    const op = 'lambda:DeleteProvisionedConcurrencyConfig';
    add(`cool-${version}`, op, {name, version}, gone('warm.min', version), 'thaw made it');
  }
  addTidying(draft, found);
  addUploadsTidying(draft);
  const image =
    found.packageType === 'Zip'
      ? ''
      : `, and ${options.repository ?? repositoryName(name)}, whose image it runs`;
  const left = `the function ${name}, which thaw did not make, with its versions and its alias${image}`;
  return makePlan('aws', name, steps, {...placeOf(have), left});
}
