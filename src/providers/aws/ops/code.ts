import {createHash} from 'node:crypto';
import {readFile} from 'node:fs/promises';
import {digestOf} from '../../../core/digest.ts';
import {ThawError} from '../../../core/errors.ts';
import type {Op, Retry} from '../../../core/driver.ts';
import {PATIENTLY} from '../calls/errors.ts';
import {changedMeanwhile, type Job, type MakeOp} from './arguments.ts';

/** An archive that did not get through is sent again, though it took minutes until then. */
const SENDING: Retry = {...PATIENTLY, forMs: 900_000};
/** What Lambda takes, unpacked, and so more than any archive of it. */
const UNPACKED_BYTES_MAX = 250 * 2 ** 20;

/** Archives that are too large for a request lie in a bucket of the user's own while Lambda takes them. */
export const codeOps = (op: MakeOp): {readonly [name: string]: Op} => ({
  // Its name is its content: one that is there and whole need not be sent again.
  's3:PutObject': op(async (job) => {
    const {text, how, context} = job;
    const [Bucket, Key, ChecksumSHA256] = [text('bucket'), text('key'), text('codeSha256')];
    const there = await findObject(job);
    if (there?.sha256 === ChecksumSHA256) return {version: there.version};
    const bytes = await readArchive(job);
    context.progress(0, bytes.length);
    const s3 = await job.aws.s3();
    const {VersionId} = await job.ask('s3:PutObject', `${Bucket}/${Key}`, () =>
      s3.putObject(
        {
          Bucket,
          Key,
          Body: bytes,
          ContentLength: bytes.length,
          ContentType: 'application/zip',
          ChecksumAlgorithm: 'SHA256',
          ChecksumSHA256,
        },
        {...how, requestTimeout: job.aws.archiveMs(bytes.length)},
      ),
    );
    context.progress(bytes.length, bytes.length);
    return {version: versionOf(VersionId)};
  }, SENDING),

  's3:DeleteObject': op(async (job) => {
    const {text, how} = job;
    const [Bucket, Key] = [text('bucket'), text('key')];
    const there = await findObject(job);
    if (there === null) return;
    const s3 = await job.aws.s3();
    const which = there.version === null ? {} : {VersionId: there.version};
    await job.askFor('s3:DeleteObject', `${Bucket}/${Key}`, () =>
      s3.deleteObject({Bucket, Key, ...which}, how),
    );
  }),
});

/** Looks for the object that a step is about. Who may list learns that it is not there; others that they may not look. */
async function findObject({
  text,
  ask,
  askFor,
  aws,
  how,
}: Job): Promise<{readonly version: string | null; readonly sha256: string | null} | null> {
  const [Bucket, Key] = [text('bucket'), text('key')];
  const s3 = await aws.s3();
  const {Contents = []} = await ask('s3:ListBucket', Bucket, () =>
    s3.listObjectsV2({Bucket, Prefix: Key, MaxKeys: 1}, how),
  );
  if (Contents[0]?.Key !== Key) return null;
  const found = await askFor('s3:GetObject', `${Bucket}/${Key}`, () =>
    s3.headObject({Bucket, Key, ChecksumMode: 'ENABLED'}, how),
  );
  return found && {version: versionOf(found.VersionId), sha256: found.ChecksumSHA256 ?? null};
}

/** Buckets that keep no versions say so, or nothing. */
const versionOf = (version: string | undefined): string | null =>
  version === undefined || version === 'null' ? null : version;

/** The code that a call brings, by what it is or where it is. */
export type SentCode =
  | {readonly ImageUri: string}
  | {readonly ZipFile: Uint8Array}
  | {readonly S3Bucket: string; readonly S3Key: string; readonly S3ObjectVersion?: string};

/** The code that a step is to write: an image by its name, a zip archive by its bytes, or by where they lie. */
export async function codeOf(job: Job): Promise<SentCode> {
  const {args, text} = job;
  if (args['codeSha256'] === undefined) return {ImageUri: text('imageUri')};
  if (args['bucket'] === undefined) return {ZipFile: await readArchive(job)};
  const where = {S3Bucket: text('bucket'), S3Key: text('key')};
  return args['version'] === null ? where : {...where, S3ObjectVersion: text('version')};
}

/** How long a call may take that brings code: what lies in a bucket Lambda fetches before it answers. */
export const timeFor = ({aws}: Job, code: SentCode): {readonly requestTimeout?: number} =>
  'ZipFile' in code
    ? {requestTimeout: aws.archiveMs(code.ZipFile.length)}
    : 'S3Key' in code
      ? {requestTimeout: aws.archiveMs(0)}
      : {};

/** Makes a call that brings code. @throws ThawError PROVIDER_CONFLICT if somebody else has deleted it meanwhile */
export async function sendCode<T>(job: Job, action: string, call: () => Promise<T>): Promise<T> {
  try {
    return await job.ask(action, job.text('name'), call);
  } catch (error) {
    if (!(error instanceof ThawError) || !/S3 Error Code: NoSuch(Key|Version)/.test(error.message))
      throw error;
    throw changedMeanwhile(`${job.text('bucket')}/${job.text('key')}`, {function: job.text('name')});
  }
}

/** The bytes of the archive that a step is about: the one at hand, or that of an earlier version. */
async function readArchive(job: Job): Promise<Uint8Array> {
  const {args, text, context} = job;
  if (typeof args['from'] === 'string') return fetchCode(job, args['from']);
  const {archive} = context;
  const wanted = text('archive');
  const bytes = archive?.archive.digest === wanted ? await readFile(archive.file).catch(() => null) : null;
  if (bytes !== null && digestOf(bytes) === wanted) return bytes;
  throw new ThawError('IMAGE_MISSING', `the zip archive ${wanted} is not at hand`, {archive: wanted});
}

/** The zip archive of a version, from where Lambda keeps it. Who knows that address may read it: it is not shown. */
async function fetchCode({text, how, ask, aws, context, signal}: Job, version: string): Promise<Uint8Array> {
  const name = text('name');
  const lambda = await aws.lambda();
  const resource = `${name}:${version}`;
  const {Code} = await ask('lambda:GetFunction', resource, () =>
    lambda.getFunction({FunctionName: name, Qualifier: version}, how),
  );
  const url = Code?.Location;
  if (url === undefined) {
    const message = `Lambda does not say where the code of ${resource} is`;
    throw new ThawError('PROVIDER_REFUSED', message, {provider: 'aws', resource});
  }
  const request = {url, timeoutMs: aws.archiveMs(UNPACKED_BYTES_MAX), signal};
  const {status, body, error} = await context.ports.http(request);
  const found = createHash('sha256').update(body).digest('base64');
  if (status === 200 && error === null && found === text('codeSha256')) return body;
  const message = `the code of ${resource} cannot be fetched: ${error?.kind ?? `status ${status}, CodeSha256 ${found}`}`;
  const transient = error !== null || (status ?? 0) >= 500;
  throw new ThawError('PROVIDER_REFUSED', message, {provider: 'aws', resource, transient});
}
