import type {Deployment} from '../../../core/deployment.ts';
import type {FunctionRef} from '../../../core/driver.ts';
import type {Account} from '../calls/clients.ts';
import {liveVersion} from '../inspect/findings.ts';
import type {FunctionFound, Have} from '../inspect/have.ts';
import type {Handle} from './handle.ts';
import {LIVE} from '../names.ts';
import type {AwsOptions} from '../wanted/options.ts';

/** Where Lambda's API takes an invocation of a version or an alias. */
export function invokeUrl({region, partition}: Account, name: string, qualifier: string): string {
  const suffix = partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';
  return `https://lambda.${region}.${suffix}/2015-03-31/functions/${name}/invocations?Qualifier=${qualifier}`;
}

/** What is live, as far as a caller needs it; null if nothing is, or nobody knows which image it is of. */
export function deploymentOf(
  fn: FunctionRef,
  options: AwsOptions,
  {account}: Have,
  found: FunctionFound,
): Deployment | null {
  const live = liveVersion(found);
  if (live === undefined || live.image === null) return null;
  const handle: Handle = {
    region: account.region,
    profile: options.profile,
    function: fn.name,
    qualifier: LIVE,
    logGroup: found.logGroup,
    via: found.url === null ? 'direct' : options.invoke,
    auth: found.url?.auth ?? 'iam',
    tellsImage: found.ours,
  };
  return {
    schema: 'thaw.deployment/1',
    provider: 'aws',
    function: fn.name,
    url: found.url?.url ?? invokeUrl(account, fn.name, LIVE),
    image: live.image,
    version: live.version,
    handle,
  };
}
