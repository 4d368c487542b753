import type {Status} from '../../core/deployment.ts';
import type {FunctionRef} from '../../core/driver.ts';
import {isDeployedTo, liveVersion, twinsOf} from './inspect/findings.ts';
import type {FunctionFound, Have} from './inspect/have.ts';
import {deploymentOf} from './live/deployment.ts';
import {placeOf} from './plan/draft.ts';
import {warmOf} from './plan/warmth.ts';
import type {AwsOptions} from './wanted/options.ts';

/** Says what was found, in the words that every provider uses. */
export function describeFunction(fn: FunctionRef, options: AwsOptions, have: Have): Status {
  const found = have.fn !== null && isDeployedTo(have.fn, options) ? have.fn : null;
  const twins = found === null ? [] : twinsOf(found);
  return {
    schema: 'thaw.status/1',
    provider: 'aws',
    function: fn.name,
    ...stateOf(found),
    deployment: found && deploymentOf(fn, options, have, found),
    // Lambda tells of no instance.
    instances: null,
    warmMin: found === null ? 0 : warmOf(found, found.live).min,
    versions: (found?.versions ?? [])
      .filter((version) => !twins.includes(version))
      .flatMap(({version, image, at}) =>
        image === null ? [] : [{version, image, at, live: version === found?.live}],
      ),
    facts: {
      ...placeOf(have),
      ...(found === null ? {} : {arn: found.arn}),
      ...(found?.url ? {auth: found.url.auth} : {}),
      ...(found === null ? {} : {logGroup: found.logGroup}),
      ...(found?.packageType === 'Zip' ? {artifact: 'zip'} : {}),
      ...(found === null || found.ours ? {} : {adopted: true}),
      ...(have.concurrency === null ? {} : {accountConcurrency: have.concurrency.max}),
    },
  };
}

function stateOf(found: FunctionFound | null): Pick<Status, 'state' | 'problem'> {
  if (found === null) return {state: 'absent', problem: null};
  const live = liveVersion(found);
  if (live === undefined) {
    return found.state === 'Failed'
      ? {state: 'failed', problem: found.stateReason ?? 'Lambda says Failed, and no reason'}
      : {state: 'pending', problem: null};
  }
  if (live.state === 'Failed') {
    return {state: 'failed', problem: found.stateReason ?? `version ${live.version} is Failed`};
  }
  const provisioned = found.provisioned.find(({version}) => version === live.version);
  if (provisioned?.status === 'FAILED') {
    return {state: 'failed', problem: provisioned.reason ?? 'instances cannot be kept ready'};
  }
  const pending = live.state === 'Pending' || provisioned?.status === 'IN_PROGRESS';
  return {state: pending ? 'pending' : 'ready', problem: null};
}
