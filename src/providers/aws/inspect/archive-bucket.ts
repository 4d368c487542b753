import type {Context} from '../../../core/driver.ts';
import {ThawError} from '../../../core/errors.ts';
import type {Aws} from '../calls/clients.ts';
import {look} from '../calls/errors.ts';
import type {ArchiveBucketFound} from './have.ts';
import {archivePrefix, isArchiveKey} from '../names.ts';
import type {AwsOptions} from '../wanted/options.ts';
import {readPages} from '../calls/pages.ts';

/** Looks at the bucket that larger archives go through: whether it can be used, and what was left there. */
export async function readArchiveBucket(
  aws: Aws,
  fn: string,
  {artifact, bucket}: Pick<AwsOptions, 'artifact' | 'bucket'>,
  context: Pick<Context, 'ports' | 'signal'>,
): Promise<ArchiveBucketFound | null> {
  if (artifact !== 'zip' || bucket === null) return null;
  const s3 = await aws.s3();
  const asked = {action: 's3:ListBucket', resource: bucket};
  const how = {abortSignal: context.signal};
  try {
    const objects = await readPages(
      (ContinuationToken) =>
        look(asked, context, () =>
          s3.listObjectsV2({Bucket: bucket, Prefix: archivePrefix(fn), ContinuationToken}, how),
        ),
      ({Contents}) => Contents,
      ({NextContinuationToken}) => NextContinuationToken,
    );
    const left = objects.flatMap(({Key = ''}) => (isArchiveKey(Key) ? [Key] : []));
    return {state: 'there', left};
  } catch (error) {
    if (!(error instanceof ThawError)) throw error;
    if (error.facts['reason'] === 'NoSuchBucket') return {state: 'absent'};
    const region = regionIn(error);
    if (region === null) throw error;
    return {state: 'elsewhere', region};
  }
}

/** S3 says where a bucket is that it was asked for in another region. */
function regionIn({facts, message, cause}: ThawError): string | null {
  const reasons = ['PermanentRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException'];
  const {reason} = facts;
  if (typeof reason !== 'string' || !reasons.includes(reason)) return null;
  const {$response} = cause as {$response?: {headers?: {readonly [name: string]: string}}};
  const header = $response?.headers?.['x-amz-bucket-region'];
  return header ?? /expecting '([\w-]+)'/.exec(message)?.[1] ?? 'another region';
}
