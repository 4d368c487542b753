import type {Context} from '../../../core/driver.ts';
import type {Aws} from '../calls/clients.ts';
import {look} from '../calls/errors.ts';
import {readPages} from '../calls/pages.ts';
import type {ScheduleFound} from './have.ts';

/** Versions whose schedules are looked for: DescribeScalableTargets takes no more at a time. */
const SCHEDULES_MAX = 50;

/** What Application Auto Scaling does by the clock to versions of a function. */
export async function readSchedules(
  aws: Aws,
  name: string,
  versions: readonly string[],
  context: Context,
): Promise<ScheduleFound[]> {
  if (versions.length === 0) return [];
  const scaling = await aws.scaling();
  const service = {ServiceNamespace: 'lambda'} as const;
  const asked = {action: 'application-autoscaling:DescribeScalableTargets', resource: name};
  const ids = versions.slice(-SCHEDULES_MAX).map((version) => `function:${name}:${version}`);
  const targets = await readPages(
    (NextToken) =>
      look(asked, context, () =>
        scaling.describeScalableTargets(
          {...service, ResourceIds: ids, NextToken},
          {abortSignal: context.signal},
        ),
      ),
    ({ScalableTargets}) => ScalableTargets,
    ({NextToken}) => NextToken,
  );
  return Promise.all(
    targets.map(async ({ResourceId = ''}) => {
      const about = {action: 'application-autoscaling:DescribeScheduledActions', resource: ResourceId};
      const actions = await readPages(
        (NextToken) =>
          look(about, context, () =>
            scaling.describeScheduledActions(
              {...service, ResourceId, NextToken},
              {abortSignal: context.signal},
            ),
          ),
        ({ScheduledActions}) => ScheduledActions,
        ({NextToken}) => NextToken,
      );
      return {
        version: ResourceId.split(':').at(-1) ?? '',
        registered: true,
        actions: actions
          .map((action) => {
            return {
              name: action.ScheduledActionName ?? '',
              schedule: action.Schedule ?? '',
              timezone: action.Timezone ?? 'UTC',
              min: action.ScalableTargetAction?.MinCapacity ?? 0,
            };
          })
          .sort((a, b) => (a.name < b.name ? -1 : 1)),
      };
    }),
  );
}
