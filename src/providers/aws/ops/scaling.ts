import type {Op} from '../../../core/driver.ts';
import type {MakeOp} from './arguments.ts';

const SERVICE = {
  ServiceNamespace: 'lambda',
  ScalableDimension: 'lambda:function:ProvisionedConcurrency',
} as const;

/** How many instances of a version are kept ready, by the clock. */
export const scalingOps = (op: MakeOp): {readonly [name: string]: Op} => ({
  'application-autoscaling:RegisterScalableTarget': op(async (job) => {
    const {text, args, how} = job;
    const scaling = await job.aws.scaling();
    const ResourceId = `function:${text('name')}:${text('version')}`;
    await job.ask('application-autoscaling:RegisterScalableTarget', ResourceId, () =>
      scaling.registerScalableTarget(
        {...SERVICE, ResourceId, MinCapacity: args['min'] as number, MaxCapacity: args['max'] as number},
        how,
      ),
    );
  }),

  'application-autoscaling:PutScheduledAction': op(async (job) => {
    const {text, args, how} = job;
    const scaling = await job.aws.scaling();
    const ResourceId = `function:${text('name')}:${text('version')}`;
    const capacity = args['min'] as number;
    await job.ask('application-autoscaling:PutScheduledAction', ResourceId, () =>
      scaling.putScheduledAction(
        {
          ...SERVICE,
          ResourceId,
          ScheduledActionName: text('action'),
          Schedule: text('schedule'),
          Timezone: text('timezone'),
          ScalableTargetAction: {MinCapacity: capacity, MaxCapacity: capacity},
        },
        how,
      ),
    );
  }),

  'application-autoscaling:DeleteScheduledAction': op(async (job) => {
    const {text, how} = job;
    const scaling = await job.aws.scaling();
    const ResourceId = `function:${text('name')}:${text('version')}`;
    await job.askFor('application-autoscaling:DeleteScheduledAction', ResourceId, () =>
      scaling.deleteScheduledAction({...SERVICE, ResourceId, ScheduledActionName: text('action')}, how),
    );
  }),

  // Its scheduled actions go with it.
  'application-autoscaling:DeregisterScalableTarget': op(async (job) => {
    const {text, how} = job;
    const scaling = await job.aws.scaling();
    const ResourceId = `function:${text('name')}:${text('version')}`;
    await job.askFor('application-autoscaling:DeregisterScalableTarget', ResourceId, () =>
      scaling.deregisterScalableTarget({...SERVICE, ResourceId}, how),
    );
  }),
});
