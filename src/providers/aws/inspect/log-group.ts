import type {Context} from '../../../core/driver.ts';
import type {Aws} from '../calls/clients.ts';
import {look, lookFor} from '../calls/errors.ts';
import {readPages} from '../calls/pages.ts';
import type {LogGroupFound} from './have.ts';

/** Where a function logs to; null: it is not there yet. */
export async function readLogGroup(aws: Aws, name: string, context: Context): Promise<LogGroupFound | null> {
  const logs = await aws.logs();
  const groups = await readPages(
    (nextToken) =>
      look({action: 'logs:DescribeLogGroups', resource: name}, context, () =>
        logs.describeLogGroups({logGroupNamePrefix: name, nextToken}, {abortSignal: context.signal}),
      ),
    ({logGroups}) => logGroups,
    ({nextToken}) => nextToken,
  );
  const group = groups.find(({logGroupName}) => logGroupName === name);
  if (group === undefined) return null;
  // One of the two names of a log group ends in `:*`, which tags are not found by.
  const arn = group.logGroupArn ?? group.arn?.replace(/:\*$/, '') ?? '';
  const tags = await lookFor({action: 'logs:ListTagsForResource', resource: name}, context, () =>
    logs.listTagsForResource({resourceArn: arn}, {abortSignal: context.signal}),
  );
  return {arn, retentionDays: group.retentionInDays ?? null, tags: tags?.tags ?? {}};
}
