import type * as Scaling from '@aws-sdk/client-application-auto-scaling';
import {pageOf, type Cloud, type Handlers, type Service} from '../cloud.ts';
import {Refusal} from '../refusal.ts';
import {jsonRpc} from '../wire/json-rpc.ts';

interface Target {
  readonly resource: string;
  readonly dimension: Scaling.ScalableDimension;
  readonly createdMs: number;
  readonly tags: Map<string, string>;
  min: number;
  max: number;
}

type Action = Omit<Scaling.ScheduledAction, 'ScheduledActionARN' | 'CreationTime'> & {
  readonly createdMs: number;
};

const CRON = /^cron\((\S+ ){5}\S+\)$/;
const SCHEDULE =
  /^(?:rate\(\d+ (?:minute|minutes|hour|hours|day|days)\)|at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\))$/;

/** What is scaled. */
export interface Scaled {
  /** Whether there is what a resource id names: `function:<name>:<alias or version>`. */
  isPublished(name: string, qualifier: string): boolean;
  /** Its provisioned concurrency; 0: none. */
  provisioned(name: string, qualifier: string): number;
  provision(name: string, qualifier: string, count: number): void;
}

/** What is not an API. */
export interface Scheduler {
  /** Does what a scheduled action says, as when its time has come. */
  carryOut(resource: string, action: string): void;
}

const RESOURCE = /^function:([\w-]+):([\w-]+)$/;

/** Application Auto Scaling, of provisioned concurrency alone. */
export function createScaling({clock, account, pageSize}: Cloud, scaled: Scaled): Service & Scheduler {
  const targets = new Map<string, Target>();
  const actions = new Map<string, Action>();
  const policies = new Map<string, Scaling.PutScalingPolicyRequest>();
  const arnOf = (id: string): string => account.arn('application-autoscaling', id);
  const targetArn = ({resource}: Target): string =>
    arnOf(`scalable-target/${Buffer.from(resource).toString('hex')}`);
  const invalid = (message: string): Refusal => new Refusal('ValidationException', message);

  const find = (resource: string | undefined): Target => {
    const found = targets.get(resource ?? '');
    if (found !== undefined) return found;
    throw new Refusal(
      'ObjectNotFoundException',
      `No scalable target registered for service namespace: lambda, resource ID: ${resource}, scalable dimension: lambda:function:ProvisionedConcurrency`,
    );
  };
  const byArn = (arn: string | undefined): Target => {
    const found = [...targets.values()].find((target) => targetArn(target) === arn);
    if (found !== undefined) return found;
    throw new Refusal('ResourceNotFoundException', `The specified resource ${arn} was not found.`);
  };

  const checkKind = (namespace: string | undefined, dimension: string | undefined): void => {
    if (namespace !== 'lambda') throw invalid(`the fake scales Lambda alone, not ${namespace}`);
    if (dimension !== undefined && dimension !== 'lambda:function:ProvisionedConcurrency') {
      throw invalid(`Unsupported service namespace, resource type or scalable dimension`);
    }
  };

  const handlers: Handlers = {
    RegisterScalableTarget(
      input: Scaling.RegisterScalableTargetRequest,
    ): Scaling.RegisterScalableTargetResponse {
      const {ResourceId: resource = '', MinCapacity: min, MaxCapacity: max} = input;
      checkKind(input.ServiceNamespace, input.ScalableDimension);
      const [, name = '', alias = ''] = RESOURCE.exec(resource) ?? [];
      if (name === '' || !scaled.isPublished(name, alias)) {
        throw invalid(`ResourceId not found: ${resource}`);
      }
      const before = targets.get(resource);
      if (before === undefined && (min === undefined || max === undefined)) {
        throw invalid(
          'Both MinCapacity and MaxCapacity must be specified when registering a new scalable target',
        );
      }
      const target = before ?? {
        resource,
        dimension: 'lambda:function:ProvisionedConcurrency' as const,
        createdMs: clock.now(),
        tags: new Map(Object.entries(input.Tags ?? {})),
        min: 0,
        max: 0,
      };
      const [newMin, newMax] = [min ?? target.min, max ?? target.max];
      if (newMin > newMax) throw invalid('MaxCapacity must be greater than or equal to MinCapacity');
      target.min = newMin;
      target.max = newMax;
      targets.set(resource, target);
      return {ScalableTargetARN: targetArn(target)};
    },
    DeregisterScalableTarget(
      input: Scaling.DeregisterScalableTargetRequest,
    ): Scaling.DeregisterScalableTargetResponse {
      const {resource} = find(input.ResourceId);
      targets.delete(resource);
      for (const [key, action] of actions) if (action.ResourceId === resource) actions.delete(key);
      for (const [key, policy] of policies) if (policy.ResourceId === resource) policies.delete(key);
      return {};
    },
    DescribeScalableTargets(
      input: Scaling.DescribeScalableTargetsRequest,
    ): Scaling.DescribeScalableTargetsResponse {
      checkKind(input.ServiceNamespace, input.ScalableDimension);
      const wanted = input.ResourceIds;
      const all = [...targets.values()].filter(({resource}) => wanted?.includes(resource) ?? true);
      const {page, next} = pageOf(all, input.NextToken, input.MaxResults, pageSize);
      return {
        NextToken: next,
        ScalableTargets: page.map((target) => ({
          ServiceNamespace: 'lambda',
          ResourceId: target.resource,
          ScalableDimension: target.dimension,
          MinCapacity: target.min,
          MaxCapacity: target.max,
          RoleARN: `arn:aws:iam::${account.id}:role/aws-service-role/lambda.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency`,
          CreationTime: new Date(target.createdMs),
          ScalableTargetARN: targetArn(target),
        })),
      };
    },
    PutScheduledAction(input: Scaling.PutScheduledActionRequest): Scaling.PutScheduledActionResponse {
      checkKind(input.ServiceNamespace, input.ScalableDimension);
      const {ScheduledActionName: name = '', ResourceId = '', ScalableTargetAction: wanted} = input;
      find(ResourceId);
      const key = `${ResourceId}/${name}`;
      const before = actions.get(key);
      const schedule = input.Schedule ?? before?.Schedule ?? '';
      if (!CRON.test(schedule) && !SCHEDULE.test(schedule))
        throw invalid(`Invalid Schedule Expression: ${schedule}`);
      const {MinCapacity: min, MaxCapacity: max} = wanted ?? before?.ScalableTargetAction ?? {};
      if (min !== undefined && max !== undefined && min > max) {
        throw invalid('MaxCapacity must be greater than or equal to MinCapacity');
      }
      actions.set(key, {
        ...before,
        ScheduledActionName: name,
        ServiceNamespace: 'lambda',
        ResourceId,
        ScalableDimension: 'lambda:function:ProvisionedConcurrency',
        Schedule: schedule,
        Timezone: input.Timezone ?? before?.Timezone,
        StartTime: input.StartTime ?? before?.StartTime,
        EndTime: input.EndTime ?? before?.EndTime,
        ScalableTargetAction: wanted ?? before?.ScalableTargetAction,
        createdMs: before?.createdMs ?? clock.now(),
      });
      return {};
    },
    DescribeScheduledActions(
      input: Scaling.DescribeScheduledActionsRequest,
    ): Scaling.DescribeScheduledActionsResponse {
      checkKind(input.ServiceNamespace, input.ScalableDimension);
      const all = [...actions.entries()].filter(
        ([, action]) =>
          (input.ResourceId === undefined || action.ResourceId === input.ResourceId) &&
          (input.ScheduledActionNames?.includes(action.ScheduledActionName ?? '') ?? true),
      );
      const {page, next} = pageOf(all, input.NextToken, input.MaxResults, pageSize);
      return {
        NextToken: next,
        ScheduledActions: page.map(([key, {createdMs, ...action}]) => ({
          ...action,
          ScheduledActionARN: arnOf(`scheduledAction:resource/lambda/${key}`),
          CreationTime: new Date(createdMs),
        })),
      };
    },
    DeleteScheduledAction(
      input: Scaling.DeleteScheduledActionRequest,
    ): Scaling.DeleteScheduledActionResponse {
      if (!actions.delete(`${input.ResourceId}/${input.ScheduledActionName}`)) {
        throw new Refusal(
          'ObjectNotFoundException',
          `No scheduled action found with name: ${input.ScheduledActionName}`,
        );
      }
      return {};
    },
    PutScalingPolicy(input: Scaling.PutScalingPolicyRequest): Scaling.PutScalingPolicyResponse {
      checkKind(input.ServiceNamespace, input.ScalableDimension);
      find(input.ResourceId);
      policies.set(`${input.ResourceId}/${input.PolicyName}`, input);
      return {
        PolicyARN: arnOf(`scalingPolicy:${input.ResourceId}:policyName/${input.PolicyName}`),
        Alarms: [],
      };
    },
    DescribeScalingPolicies(
      input: Scaling.DescribeScalingPoliciesRequest,
    ): Scaling.DescribeScalingPoliciesResponse {
      const all = [...policies.values()].filter(
        ({ResourceId}) => input.ResourceId === undefined || ResourceId === input.ResourceId,
      );
      return {
        ScalingPolicies: all.map((policy) => ({
          PolicyARN: arnOf(`scalingPolicy:${policy.ResourceId}:policyName/${policy.PolicyName}`),
          PolicyName: policy.PolicyName,
          ServiceNamespace: policy.ServiceNamespace,
          ResourceId: policy.ResourceId,
          ScalableDimension: policy.ScalableDimension,
          PolicyType: policy.PolicyType ?? 'TargetTrackingScaling',
          TargetTrackingScalingPolicyConfiguration: policy.TargetTrackingScalingPolicyConfiguration,
          CreationTime: new Date(clock.now()),
        })),
      };
    },
    DeleteScalingPolicy(input: Scaling.DeleteScalingPolicyRequest): Scaling.DeleteScalingPolicyResponse {
      if (!policies.delete(`${input.ResourceId}/${input.PolicyName}`)) {
        throw new Refusal(
          'ObjectNotFoundException',
          `No scaling policy found with name: ${input.PolicyName}`,
        );
      }
      return {};
    },
    TagResource({ResourceARN, Tags}: Scaling.TagResourceRequest): Scaling.TagResourceResponse {
      for (const [key, value] of Object.entries(Tags ?? {})) byArn(ResourceARN).tags.set(key, value);
      return {};
    },
    UntagResource({ResourceARN, TagKeys}: Scaling.UntagResourceRequest): Scaling.UntagResourceResponse {
      for (const key of TagKeys ?? []) byArn(ResourceARN).tags.delete(key);
      return {};
    },
    ListTagsForResource: ({
      ResourceARN,
    }: Scaling.ListTagsForResourceRequest): Scaling.ListTagsForResourceResponse => ({
      Tags: Object.fromEntries(byArn(ResourceARN).tags),
    }),
  };

  return {
    scope: 'application-autoscaling',
    prefix: 'application-autoscaling',
    loadClient: () => import('@aws-sdk/client-application-auto-scaling'),
    protocol: (client) => jsonRpc(client, 'AnyScaleFrontendService', '1.1'),
    throttled: {type: 'ThrottlingException', status: 400, message: 'Rate exceeded'},
    handlers,
    resourceOf: (_, {ResourceId, ResourceARN}) =>
      typeof ResourceARN === 'string'
        ? ResourceARN
        : typeof ResourceId === 'string'
          ? arnOf(ResourceId)
          : '*',
    carryOut(resource, action) {
      const target = find(resource);
      const wanted = actions.get(`${resource}/${action}`)?.ScalableTargetAction;
      if (wanted === undefined) throw new TypeError(`there is no action ${action} of ${resource}`);
      target.min = wanted.MinCapacity ?? target.min;
      target.max = wanted.MaxCapacity ?? target.max;
      const [, name = '', qualifier = ''] = RESOURCE.exec(resource) ?? [];
      const now = scaled.provisioned(name, qualifier);
      const next = Math.min(Math.max(now, target.min), target.max);
      if (next !== now) scaled.provision(name, qualifier, next);
    },
    inventory: () => [
      ...[...targets.keys()].map((resource) => `scalable target ${resource}`),
      ...[...actions.keys()].map((key) => `scheduled action ${key}`),
      ...[...policies.keys()].map((key) => `scaling policy ${key}`),
    ],
  };
}
