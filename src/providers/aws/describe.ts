import type {Deployment, Status} from '../../core/deployment.ts';
import type {FunctionRef} from '../../core/driver.ts';
import type {FunctionFound, Have} from './have.ts';
import type {Handle} from './handle.ts';
import {LIVE} from './names.ts';
import type {AwsOptions} from './options.ts';
import {placeOf} from './plan/draft.ts';
import {spareTwins} from './plan/live.ts';
import {isDeployedTo} from './plan/refuse.ts';
import {warmOf} from './plan/warmth.ts';

/** Says what was found, in the words that every provider uses. */
export function describeFunction(fn: FunctionRef, options: AwsOptions, have: Have): Status {
  const found = have.fn !== null && isDeployedTo(have.fn, options) ? have.fn : null;
  const spare = found === null ? [] : spareTwins(found);
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
      .filter((version) => !spare.includes(version))
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
      accountConcurrency: have.concurrency.max,
    },
  };
}

function stateOf(found: FunctionFound | null): Pick<Status, 'state' | 'problem'> {
  if (found === null) return {state: 'absent', problem: null};
  const live = found.versions.find(({version}) => version === found.live);
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

function deploymentOf(
  fn: FunctionRef,
  options: AwsOptions,
  {account}: Have,
  found: FunctionFound,
): Deployment | null {
  const live = found.versions.find(({version}) => version === found.live);
  if (live === undefined || live.image === null) return null;
  const {region, partition} = account;
  const suffix = partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';
  const path = `2015-03-31/functions/${fn.name}/invocations?Qualifier=${LIVE}`;
  const handle: Handle = {
    region,
    profile: options.profile,
    function: fn.name,
    logGroup: found.logGroup,
    via: found.url === null ? 'direct' : options.invoke,
    auth: found.url?.auth ?? 'iam',
  };
  return {
    schema: 'thaw.deployment/1',
    provider: 'aws',
    function: fn.name,
    url: found.url?.url ?? `https://lambda.${region}.${suffix}/${path}`,
    image: live.image,
    version: live.version,
    handle,
  };
}
