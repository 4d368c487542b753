import type * as S3 from '@aws-sdk/client-s3';
import type {Cloud, Handlers, Service} from '../cloud.ts';
import {Refusal} from '../refusal.ts';
import {restXml} from '../wire/rest-xml.ts';

/** Buckets that somebody else made; thaw only asks them to tell it of new objects. */
export interface Buckets {
  plant(name: string, notifications?: S3.NotificationConfiguration): void;
  notifications(bucket: string): S3.NotificationConfiguration;
}

/** @param mayInvoke whether a function's policy lets S3 invoke it for a bucket */
export function createS3(
  {account}: Cloud,
  mayInvoke: (functionArn: string, bucketArn: string) => boolean,
): Service & Buckets {
  const buckets = new Map<string, S3.NotificationConfiguration>();

  const find = (bucket: string | undefined): S3.NotificationConfiguration => {
    const found = buckets.get(bucket ?? '');
    if (found === undefined)
      throw new Refusal('NoSuchBucket', 'The specified bucket does not exist', {status: 404});
    return found;
  };

  const handlers: Handlers = {
    HeadBucket({Bucket}: S3.HeadBucketRequest): S3.HeadBucketOutput {
      find(Bucket);
      return {BucketRegion: account.region};
    },
    GetBucketLocation({Bucket}: S3.GetBucketLocationRequest): S3.GetBucketLocationOutput {
      find(Bucket);
      return {};
    },
    GetBucketNotificationConfiguration: ({
      Bucket,
    }: S3.GetBucketNotificationConfigurationRequest): S3.NotificationConfiguration => find(Bucket),
    PutBucketNotificationConfiguration(input: S3.PutBucketNotificationConfigurationRequest): void {
      const {Bucket = '', NotificationConfiguration: wanted = {}, ExpectedBucketOwner} = input;
      find(Bucket);
      if (ExpectedBucketOwner !== undefined && ExpectedBucketOwner !== account.id) {
        throw new Refusal('AccessDenied', 'Access Denied', {status: 403});
      }
      const configurations = wanted.LambdaFunctionConfigurations ?? [];
      const unreachable = configurations.some(
        ({LambdaFunctionArn = ''}) => !mayInvoke(LambdaFunctionArn, `arn:aws:s3:::${Bucket}`),
      );
      if (unreachable && !input.SkipDestinationValidation) {
        throw new Refusal('InvalidArgument', 'Unable to validate the following destination configurations');
      }
      if (haveOverlaps(wanted)) {
        throw new Refusal(
          'InvalidArgument',
          'Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.',
        );
      }
      buckets.set(Bucket, {
        ...wanted,
        ...(configurations.length > 0 && {
          LambdaFunctionConfigurations: configurations.map((each, i) => ({Id: `generated-${i}`, ...each})),
        }),
      });
    },
  };

  return {
    scope: 's3',
    prefix: 's3',
    loadClient: () => import('@aws-sdk/client-s3'),
    protocol: (client) => restXml(client, 'http://s3.amazonaws.com/doc/2006-03-01/'),
    throttled: {type: 'SlowDown', status: 503, message: 'Please reduce your request rate.'},
    handlers,
    actions: {
      GetBucketNotificationConfiguration: 's3:GetBucketNotification',
      PutBucketNotificationConfiguration: 's3:PutBucketNotification',
      HeadBucket: 's3:ListBucket',
    },
    resourceOf: (_, {Bucket}) => `arn:aws:s3:::${String(Bucket)}`,
    inventory: () =>
      [...buckets].flatMap(([bucket, {LambdaFunctionConfigurations: configurations = []}]) =>
        configurations.map(({LambdaFunctionArn}) => `notification ${bucket} ${LambdaFunctionArn}`),
      ),
    notifications: find,
    plant(name, notifications = {}) {
      buckets.set(name, notifications);
    },
  };
}

/**
 * Whether two notifications would tell of the same thing, whoever they tell.
 *
 * @see docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
 * @see repost.aws/knowledge-center/lambda-s3-event-configuration-error
 */
function haveOverlaps(wanted: S3.NotificationConfiguration): boolean {
  const all = [
    ...(wanted.LambdaFunctionConfigurations ?? []),
    ...(wanted.QueueConfigurations ?? []),
    ...(wanted.TopicConfigurations ?? []),
  ].map(({Events = [], Filter}) => {
    const valueOf = (name: string): string =>
      Filter?.Key?.FilterRules?.find(({Name}) => Name?.toLowerCase() === name)?.Value ?? '';
    return {events: Events, prefix: valueOf('prefix'), suffix: valueOf('suffix')};
  });
  const sameKind = (a: string, b: string): boolean => {
    const [kind, event] = a.split(/:(?=[^:]*$)/);
    const [otherKind, otherEvent] = b.split(/:(?=[^:]*$)/);
    return kind === otherKind && (event === otherEvent || event === '*' || otherEvent === '*');
  };
  return all.some((a, i) =>
    all
      .slice(i + 1)
      .some(
        (b) =>
          a.events.some((one) => b.events.some((other) => sameKind(one, other))) &&
          (a.prefix.startsWith(b.prefix) || b.prefix.startsWith(a.prefix)) &&
          (a.suffix.endsWith(b.suffix) || b.suffix.endsWith(a.suffix)),
      ),
  );
}
