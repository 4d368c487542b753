import type {Op} from '../../../core/driver.ts';
import {unless} from '../calls/errors.ts';
import type {MakeOp} from './arguments.ts';

/** Lines come so much later than what they tell of. */
const LATE_MS = 5000;

/** The log group that Lambda writes to. */
export const logsOps = (op: MakeOp): {readonly [name: string]: Op} => ({
  'logs:CreateLogGroup': op(async (job) => {
    const {text, args, how} = job;
    const logs = await job.aws.logs();
    const tags = {...(args['tags'] as {[key: string]: string})};
    await unless(['ResourceAlreadyExistsException'], () =>
      job.ask('logs:CreateLogGroup', text('name'), () =>
        logs.createLogGroup({logGroupName: text('name'), tags}, how),
      ),
    );
  }),

  'logs:PutRetentionPolicy': op(async (job) => {
    const {text, args, how} = job;
    const logs = await job.aws.logs();
    await job.ask('logs:PutRetentionPolicy', text('name'), () =>
      logs.putRetentionPolicy(
        {logGroupName: text('name'), retentionInDays: args['retentionDays'] as number},
        how,
      ),
    );
  }),

  'logs:DeleteRetentionPolicy': op(async (job) => {
    const {text, how} = job;
    const logs = await job.aws.logs();
    await job.ask('logs:DeleteRetentionPolicy', text('name'), () =>
      logs.deleteRetentionPolicy({logGroupName: text('name')}, how),
    );
  }),

  'logs:TagResource': op(async (job) => {
    const {text, args, how} = job;
    const logs = await job.aws.logs();
    const resourceArn = text('arn');
    const tags = {...(args['tags'] as {[key: string]: string})};
    const tagKeys = [...(args['remove'] as string[])];
    if (Object.keys(tags).length > 0) {
      await job.ask('logs:TagResource', text('name'), () => logs.tagResource({resourceArn, tags}, how));
    }
    if (tagKeys.length > 0) {
      await job.ask('logs:UntagResource', text('name'), () =>
        logs.untagResource({resourceArn, tagKeys}, how),
      );
    }
  }),

  // Lines that were on their way when the function ended make the group anew: it is looked at once more.
  'logs:DeleteLogGroup': op(async (job) => {
    const {text, how, context, signal} = job;
    const logs = await job.aws.logs();
    const remove = (): Promise<unknown> =>
      job.askFor('logs:DeleteLogGroup', text('name'), () =>
        logs.deleteLogGroup({logGroupName: text('name')}, how),
      );
    await remove();
    await context.ports.clock.sleep(LATE_MS, signal);
    await remove();
  }),
});
