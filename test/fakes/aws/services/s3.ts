import type * as S3 from '@aws-sdk/client-s3';
import {createHash, randomUUID} from 'node:crypto';
import type {Cloud, Handlers, Service} from '../cloud.ts';
import {pageOf} from '../cloud.ts';
import {Refusal} from '../refusal.ts';
import {restXml} from '../wire/rest-xml.ts';

/** What somebody else has made a bucket like. */
export interface BucketTraits {
  readonly notifications?: S3.NotificationConfiguration;
  /** Where it is; the fake's own region if not given. */
  readonly region?: string;
  /** Whether it keeps what is overwritten and deleted. */
  readonly versioned?: boolean;
}

/** Buckets that somebody else made; thaw asks them to tell it of new objects, and puts archives into one. */
export interface Buckets {
  plant(name: string, traits?: BucketTraits): void;
  /** Puts something there. */
  plantObject(bucket: string, key: string, bytes: Uint8Array): void;
  notifications(bucket: string): S3.NotificationConfiguration;
  /**
   * What lies there, as Lambda fetches it for a caller.
   *
   * @throws Refusal as Lambda says why S3 refused it
   */
  fetchCode(code: Pick<S3.GetObjectRequest, 'Bucket' | 'Key' | 'VersionId'>): Uint8Array;
}

interface StoredObject {
  /** Null in a bucket that keeps none. */
  readonly version: string | null;
  /** Null: it marks a deletion. */
  readonly bytes: Uint8Array | null;
  /** S3 keeps the checksum that an object was put with. */
  readonly sha256: string | undefined;
}

interface Bucket {
  readonly region: string;
  readonly versioned: boolean;
  notifications: S3.NotificationConfiguration;
  /** The newest last. */
  readonly objects: Map<string, StoredObject[]>;
}

const PAGE_KEYS_MAX = 1000;

/** @param mayInvoke whether a function's policy lets S3 invoke it for a bucket */
export function createS3(
  {account}: Cloud,
  mayInvoke: (functionArn: string, bucketArn: string) => boolean,
): Service & Buckets {
  const buckets = new Map<string, Bucket>();

  const find = (name: string | undefined): Bucket => {
    const found = buckets.get(name ?? '');
    if (found === undefined)
      throw new Refusal('NoSuchBucket', 'The specified bucket does not exist', {status: 404});
    // docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html: PermanentRedirect
    if (found.region === account.region) return found;
    throw new Refusal(
      'PermanentRedirect',
      'The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.',
      {status: 301, members: {BucketRegion: found.region}},
    );
  };

  const current = ({objects}: Bucket, key: string | undefined): StoredObject | null => {
    const last = objects.get(key ?? '')?.at(-1);
    return last === undefined || last.bytes === null ? null : last;
  };

  const put = (bucket: Bucket, key: string, bytes: Uint8Array, sha256?: string): StoredObject => {
    const object = {version: bucket.versioned ? randomUUID() : null, bytes, sha256};
    const before = bucket.versioned ? (bucket.objects.get(key) ?? []) : [];
    bucket.objects.set(key, [...before, object]);
    return object;
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
    ListObjectsV2(input: S3.ListObjectsV2Request): S3.ListObjectsV2Output {
      const bucket = find(input.Bucket);
      const keys = [...bucket.objects.keys()]
        .filter((key) => key.startsWith(input.Prefix ?? '') && current(bucket, key) !== null)
        .sort();
      const {page, next} = pageOf(keys, input.ContinuationToken, input.MaxKeys, PAGE_KEYS_MAX);
      return {
        Name: input.Bucket,
        KeyCount: page.length,
        IsTruncated: next !== undefined,
        NextContinuationToken: next,
        Contents: page.map((Key) => ({Key, Size: current(bucket, Key)?.bytes?.length ?? 0})),
      };
    },
    HeadObject({Bucket, Key, ChecksumMode}: S3.HeadObjectRequest): S3.HeadObjectOutput {
      const found = current(find(Bucket), Key);
      if (found === null) throw new Refusal('NotFound', 'Not Found', {status: 404});
      return {
        ...(found.version !== null && {VersionId: found.version}),
        ...(ChecksumMode === 'ENABLED' && found.sha256 !== undefined && {ChecksumSHA256: found.sha256}),
      };
    },
    PutObject(input: S3.PutObjectRequest): S3.PutObjectOutput {
      const bucket = find(input.Bucket);
      const bytes = (input.Body as unknown as Uint8Array | undefined) ?? Buffer.alloc(0);
      const {ChecksumSHA256: sha256, ChecksumAlgorithm: algorithm} = input;
      if (sha256 !== undefined && algorithm !== undefined && algorithm !== 'SHA256') {
        throw new Refusal('InvalidRequest', 'Value for x-amz-sdk-checksum-algorithm header is invalid.', {
          status: 400,
        });
      }
      if (sha256 !== undefined && createHash('sha256').update(bytes).digest('base64') !== sha256) {
        throw new Refusal('BadDigest', 'The SHA256 you specified did not match the calculated checksum.', {
          status: 400,
        });
      }
      const {version} = put(bucket, input.Key ?? '', bytes, sha256);
      return {...(version !== null && {VersionId: version}), ChecksumSHA256: sha256};
    },
    DeleteObject({Bucket, Key = '', VersionId}: S3.DeleteObjectRequest): S3.DeleteObjectOutput {
      const {objects, versioned} = find(Bucket);
      const before = objects.get(Key) ?? [];
      if (VersionId !== undefined) {
        account.demand('s3:DeleteObjectVersion', `arn:aws:s3:::${Bucket}/${Key}`);
        const after = before.filter(({version}) => (version ?? 'null') !== VersionId);
        if (after.length === 0) objects.delete(Key);
        else objects.set(Key, after);
        return {VersionId};
      }
      if (!versioned) objects.delete(Key);
      else objects.set(Key, [...before, {version: randomUUID(), bytes: null, sha256: undefined}]);
      return {};
    },
    GetBucketNotificationConfiguration: ({
      Bucket,
    }: S3.GetBucketNotificationConfigurationRequest): S3.NotificationConfiguration =>
      find(Bucket).notifications,
    PutBucketNotificationConfiguration(input: S3.PutBucketNotificationConfigurationRequest): void {
      const {Bucket = '', NotificationConfiguration: wanted = {}, ExpectedBucketOwner} = input;
      const bucket = find(Bucket);
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
      bucket.notifications = {
        ...wanted,
        ...(configurations.length > 0 && {
          LambdaFunctionConfigurations: configurations.map((each, i) => ({Id: `generated-${i}`, ...each})),
        }),
      };
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
      ListObjectsV2: 's3:ListBucket',
      HeadObject: 's3:GetObject',
    },
    resourceOf: (_, {Bucket, Key}) =>
      `arn:aws:s3:::${String(Bucket)}${typeof Key === 'string' ? `/${Key}` : ''}`,
    inventory: () =>
      [...buckets].flatMap(([name, {notifications, objects}]) => [
        ...(notifications.LambdaFunctionConfigurations ?? []).map(
          ({LambdaFunctionArn}) => `notification ${name} ${LambdaFunctionArn}`,
        ),
        ...[...objects].flatMap(([key, versions]) => versions.map(() => `object ${name}/${key}`)),
      ]),
    notifications: (name) => find(name).notifications,
    plant(name, {notifications = {}, region = account.region, versioned = false} = {}) {
      buckets.set(name, {region, versioned, notifications, objects: new Map()});
    },
    plantObject: (name, key, bytes) => void put(find(name), key, bytes),
    fetchCode({Bucket = '', Key = '', VersionId}) {
      const action = VersionId === undefined ? 's3:GetObject' : 's3:GetObjectVersion';
      if (!account.allows(action, `arn:aws:s3:::${Bucket}/${Key}`)) {
        throw new Refusal(
          'AccessDeniedException',
          `Your access has been denied by S3, please make sure your request credentials have permission to ${action.slice(3)} for ${Bucket}/${Key}. S3 Error Code: AccessDenied. S3 Error Message: Access Denied`,
        );
      }
      // docs.aws.amazon.com/lambda/latest/dg/troubleshooting-deployment.html
      const refused = (code: string, message: string): Refusal =>
        new Refusal(
          'InvalidParameterValueException',
          `Error occurred while GetObject. S3 Error Code: ${code}. S3 Error Message: ${message}`,
        );
      const bucket = buckets.get(Bucket);
      if (bucket === undefined) throw refused('NoSuchBucket', 'The specified bucket does not exist');
      if (bucket.region !== account.region) {
        const message = `The bucket is in this region: ${bucket.region}. Please use this region to retry the request`;
        throw refused('PermanentRedirect', message);
      }
      const versions = bucket.objects.get(Key) ?? [];
      const found =
        VersionId === undefined
          ? current(bucket, Key)
          : versions.find(({version}) => (version ?? 'null') === VersionId);
      if (found === null || found === undefined || found.bytes === null) {
        throw VersionId === undefined
          ? refused('NoSuchKey', 'The specified key does not exist.')
          : refused('NoSuchVersion', 'The specified version does not exist.');
      }
      return found.bytes;
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
