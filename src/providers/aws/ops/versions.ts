import type {Op} from '../../../core/driver.ts';
import {ThawError} from '../../../core/errors.ts';
import {isTransient, nameOf} from '../calls/errors.ts';
import {LIVE} from '../names.ts';
import {aliasOf, changedMeanwhile, poll, type Job, type MakeOp} from './arguments.ts';
import {failedState, readLatest, refuseUnexpected} from './function.ts';

const ACTIVE_MS_MAX = 900_000;
const FOLLOW_MS = 3000;

/** Published versions, and the alias that says which of them requests go to. */
export const versionOps = (op: MakeOp): {readonly [name: string]: Op} => ({
  // Publishing what was published already gives the version that there is.
  'lambda:PublishVersion': op(async (job) => {
    const {text, args, how} = job;
    const name = text('name');
    const latest = await readLatest(job);
    if (latest === null) throw changedMeanwhile(name, {function: name});
    await refuseUnexpected(job, latest);
    const {RevisionId} = latest.found;
    const lambda = await job.aws.lambda();
    const {Version = ''} = await job.ask('lambda:PublishVersion', name, () =>
      lambda.publishVersion(
        {
          FunctionName: name,
          ...(RevisionId === undefined ? {} : {RevisionId}),
          ...(typeof args['description'] === 'string' ? {Description: args['description']} : {}),
        },
        how,
      ),
    );
    return {version: Version};
  }),

  'lambda:WaitVersionActive': op(async (job) => {
    const {text, how} = job;
    const [name, version] = [text('name'), text('version')];
    const lambda = await job.aws.lambda();
    return poll(job, `version ${version} of ${name}`, ACTIVE_MS_MAX, async () => {
      // Of all that tells the state, AWS takes this most often in a second.
      const found = await job.askFor('lambda:GetFunction', `${name}:${version}`, () =>
        lambda.getFunction({FunctionName: name, Qualifier: version}, how),
      );
      // A version that was just published may not be seen everywhere.
      if (found === null) return null;
      const {State = 'Active', StateReasonCode, StateReason} = found.Configuration ?? {};
      if (State === 'Failed') throw failedState(`${name}:${version}`, State, StateReasonCode, StateReason);
      return State === 'Pending' ? null : {};
    });
  }),

  'lambda:CreateAlias': op(async (job) => {
    const {text, how} = job;
    const [name, version, alias] = [text('name'), text('version'), aliasOf(job.args)];
    const lambda = await job.aws.lambda();
    try {
      await job.ask('lambda:CreateAlias', `${name}:${alias}`, () =>
        lambda.createAlias({FunctionName: name, Name: alias, FunctionVersion: version}, how),
      );
    } catch (error) {
      const isThere = nameOf(error) === 'ResourceConflictException';
      if (!isThere || (await readAlias(job, alias))?.FunctionVersion !== version) throw error;
    }
    // Of others a wait of their own says when they are needed.
    if (alias === LIVE) await letFollow(job);
  }),

  'lambda:DeleteAlias': op(async (job) => {
    const {text, how} = job;
    const [name, alias] = [text('name'), text('alias')];
    const lambda = await job.aws.lambda();
    await job.askFor('lambda:DeleteAlias', `${name}:${alias}`, () =>
      lambda.deleteAlias({FunctionName: name, Name: alias}, how),
    );
  }),

  // What could ask whether it is known would start an instance.
  'lambda:WaitUrlKnown': op(letFollow),

  'lambda:UpdateAlias': op(async (job) => {
    const {text, how, args} = job;
    const [name, version] = [text('name'), text('version')];
    const alias = await readAlias(job, LIVE);
    if (alias === null) throw changedMeanwhile(`${name}:${LIVE}`, {function: name});
    const {FunctionVersion, RevisionId} = alias;
    if (FunctionVersion === version) return;
    if (FunctionVersion !== args['from']) throw changedMeanwhile(`${name}:${LIVE}`, {function: name});
    const lambda = await job.aws.lambda();
    await job.ask('lambda:UpdateAlias', `${name}:${LIVE}`, () =>
      lambda.updateAlias(
        {
          FunctionName: name,
          Name: LIVE,
          FunctionVersion: version,
          ...(RevisionId === undefined ? {} : {RevisionId}),
        },
        how,
      ),
    );
    await letFollow(job);
  }),

  // While AWS is at an earlier wish, it takes no other one.
  'lambda:PutProvisionedConcurrencyConfig': op(async (job) => {
    const {text, args, how} = job;
    const [name, version] = [text('name'), text('version')];
    const lambda = await job.aws.lambda();
    const which = {FunctionName: name, Qualifier: version};
    const about = `${name}:${version}`;
    return poll(job, `an earlier change of what is kept ready of ${about}`, ACTIVE_MS_MAX, async () => {
      const found = await job.askFor('lambda:GetProvisionedConcurrencyConfig', about, () =>
        lambda.getProvisionedConcurrencyConfig(which, how),
      );
      const wished = found?.RequestedProvisionedConcurrentExecutions;
      if (wished === args['min'] && found?.Status !== 'FAILED') return {};
      const ProvisionedConcurrentExecutions = args['min'] as number;
      try {
        await job.ask('lambda:PutProvisionedConcurrencyConfig', about, () =>
          lambda.putProvisionedConcurrencyConfig({...which, ProvisionedConcurrentExecutions}, how),
        );
        return {};
      } catch (error) {
        if (isTransient(error) && nameOf(error) === 'ResourceConflictException') return null;
        throw error;
      }
    });
  }),

  'lambda:WaitProvisioned': op(async (job) => {
    const {text, args, how} = job;
    const [name, version] = [text('name'), text('version')];
    const lambda = await job.aws.lambda();
    return poll(job, `keeping ${name}:${version} ready`, ACTIVE_MS_MAX, async () => {
      const found = await job.askFor('lambda:GetProvisionedConcurrencyConfig', `${name}:${version}`, () =>
        lambda.getProvisionedConcurrencyConfig({FunctionName: name, Qualifier: version}, how),
      );
      if (found === null) return null;
      if (found.Status === 'FAILED') {
        const message = `instances of ${name}:${version} cannot be kept ready: ${found.StatusReason ?? 'no reason given'}`;
        throw new ThawError('PROVIDER_REFUSED', message, {
          provider: 'aws',
          function: name,
          reason: 'provisioning-failed',
        });
      }
      const isReady =
        found.Status === 'READY' && found.RequestedProvisionedConcurrentExecutions === args['min'];
      return isReady ? {} : null;
    });
  }),

  'lambda:DeleteProvisionedConcurrencyConfig': op(async (job) => {
    const {text, how} = job;
    const [name, version] = [text('name'), text('version')];
    const lambda = await job.aws.lambda();
    await job.askFor('lambda:DeleteProvisionedConcurrencyConfig', `${name}:${version}`, () =>
      lambda.deleteProvisionedConcurrencyConfig({FunctionName: name, Qualifier: version}, how),
    );
  }),
});

/** Requests follow an alias a little later than it says: a new one is not found, a moved one leads to where it led. */
function letFollow({context: {ports}, signal}: Job): Promise<void> {
  return ports.clock.sleep(FOLLOW_MS, signal);
}

async function readAlias(job: Job, alias: string) {
  const {text, how} = job;
  const lambda = await job.aws.lambda();
  return job.askFor('lambda:GetAlias', `${text('name')}:${alias}`, () =>
    lambda.getAlias({FunctionName: text('name'), Name: alias}, how),
  );
}
