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
      const seen = configurations.map(({Events, Filter}) => JSON.stringify([Events, Filter]));
      if (new Set(seen).size < seen.length) {
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
