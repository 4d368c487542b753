import type {Op, Retry} from '../../../core/driver.ts';
import {ThawError} from '../../../core/errors.ts';
import {explainDenial, isTransient, nameOf, PATIENTLY} from '../calls/errors.ts';
import {imageOf} from '../inspect/function.ts';
import {imageTag, OWNER_TAG} from '../names.ts';
import {readPages} from '../calls/pages.ts';
import type {Job, MakeOp} from './arguments.ts';

/** ECR takes no more in a request. */
const DELETIONS_MAX = 100;

/** A registry that does not answer, or does not know the repository yet that was just made, does so later. */
const PUSHING: Retry = {
  ...PATIENTLY,
  when: (error) =>
    isTransient(error) || (error instanceof ThawError && error.code === 'PROVIDER_UNREACHABLE'),
  forMs: 300_000,
};

/** The repository that Lambda takes the image from. */
export const ecrOps = (op: MakeOp): {readonly [name: string]: Op} => ({
  'ecr:CreateRepository': op(async (job) => {
    const {text, args, how} = job;
    const repositoryName = text('name');
    const tags = Object.entries(args['tags'] as {[key: string]: string}).map(([Key, Value]) => ({
      Key,
      Value,
    }));
    const ecr = await job.aws.ecr();
    try {
      const {repository} = await job.ask('ecr:CreateRepository', repositoryName, () =>
        ecr.createRepository({repositoryName, imageTagMutability: 'IMMUTABLE', tags}, how),
      );
      return {uri: repository?.repositoryUri ?? ''};
    } catch (error) {
      if (nameOf(error) !== 'RepositoryAlreadyExistsException') throw error;
      return {uri: await readOwnRepository(job, repositoryName, text('function'))};
    }
  }),

  'ecr:PushImage': op(async (job) => {
    const {context, text, signal} = job;
    const {image} = context;
    const digest = text('image');
    if (image === null || image.image.digest !== digest) {
      throw new ThawError('IMAGE_MISSING', `the image ${digest} is not at hand`, {image: digest});
    }
    if (await isPushed(job)) return;
    const reference = `${text('uri')}:${imageTag(digest)}`;
    const [username = '', password = ''] = await readToken(job);
    const to = {reference, username, password};
    const pushed = await context.ports
      .pushImage(image, to, context.progress, signal)
      .catch(async (error: unknown) => {
        if (await isDone(job, error)) return digest;
        throw error;
      });
    if (pushed !== digest) {
      const message = `${reference} has the digest ${pushed} in the registry instead of ${digest}`;
      throw new ThawError('CONTENT_MISMATCH', message, {reference, digest, found: pushed});
    }
  }, PUSHING),

  'ecr:TagResource': op(async (job) => {
    const {text, args, how} = job;
    const ecr = await job.aws.ecr();
    const found = await job.ask('ecr:DescribeRepositories', text('name'), () =>
      ecr.describeRepositories({repositoryNames: [text('name')]}, how),
    );
    const resourceArn = found.repositories?.[0]?.repositoryArn ?? '';
    const tags = Object.entries(args['tags'] as {[key: string]: string}).map(([Key, Value]) => ({
      Key,
      Value,
    }));
    const tagKeys = [...(args['remove'] as string[])];
    if (tags.length > 0) {
      await job.ask('ecr:TagResource', text('name'), () => ecr.tagResource({resourceArn, tags}, how));
    }
    if (tagKeys.length > 0) {
      await job.ask('ecr:UntagResource', text('name'), () => ecr.untagResource({resourceArn, tagKeys}, how));
    }
  }),

  'ecr:BatchDeleteImage': op(async (job) => {
    const {text, args, how} = job;
    const ecr = await job.aws.ecr();
    const used = await readUsedImages(job, text('function'));
    // Of what cannot be told nothing is deleted: a function whose image is gone starts no more.
    if (used.has(null)) return;
    const images = (args['images'] as readonly string[]).filter((image) => !used.has(image));
    for (let from = 0; from < images.length; from += DELETIONS_MAX) {
      const imageIds = images.slice(from, from + DELETIONS_MAX).map((imageDigest) => ({imageDigest}));
      await job.askFor('ecr:BatchDeleteImage', text('name'), () =>
        ecr.batchDeleteImage({repositoryName: text('name'), imageIds}, how),
      );
    }
  }),

  'ecr:DeleteRepository': op(async (job) => {
    const {text, how} = job;
    const ecr = await job.aws.ecr();
    await job.askFor('ecr:DeleteRepository', text('name'), () =>
      ecr.deleteRepository({repositoryName: text('name'), force: true}, how),
    );
  }),
});

/**
 * Whether a push that was refused had been done before: immutable tags take nothing twice, be it that only the answer was
 * lost.
 *
 * @throws ThawError PERMISSION_DENIED that names action and resource; PROVIDER_CONFLICT if the tag is of another image, which an immutable tag stays
 */
async function isDone(job: Job, error: unknown): Promise<boolean> {
  const [name, digest] = [job.text('name'), job.text('image')];
  if (!(error instanceof ThawError)) return false;
  if (error.code === 'PERMISSION_DENIED') {
    throw explainDenial(
      error.message,
      {action: actionAt(error.facts['url']), resource: name},
      {cause: error},
    );
  }
  if (error.code !== 'PROVIDER_REFUSED') return false;
  if (await isPushed(job)) return true;
  const tag = imageTag(digest);
  const ecr = await job.aws.ecr();
  const found = await job.askFor('ecr:DescribeImages', name, () =>
    ecr.describeImages({repositoryName: name, imageIds: [{imageTag: tag}]}, job.how),
  );
  const other = found?.imageDetails?.[0]?.imageDigest;
  if (other === undefined) return false;
  const message = `the tag ${tag} in ${name} is immutable and of another image, ${other}, so that ${digest} cannot be pushed under it`;
  throw new ThawError(
    'PROVIDER_CONFLICT',
    message,
    {provider: 'aws', reason: 'immutable-tag', repository: name, tag, found: other, image: digest},
    {cause: error},
  );
}

/** What a request to the registry is in policies: an answer to HEAD has no words that could say it. */
function actionAt(url: unknown): string {
  const path = typeof url === 'string' ? url : '';
  if (path.includes('/blobs/uploads')) return 'ecr:InitiateLayerUpload';
  return path.includes('/blobs/') ? 'ecr:BatchCheckLayerAvailability' : 'ecr:PutImage';
}

/** The images that a function's versions run, as Lambda itself says; null among them where it does not. */
async function readUsedImages({aws, ask, askFor, how}: Job, name: string): Promise<Set<string | null>> {
  const lambda = await aws.lambda();
  const versions = await readPages(
    (Marker) =>
      ask('lambda:ListVersionsByFunction', name, () =>
        lambda.listVersionsByFunction({FunctionName: name, Marker}, how),
      ),
    (page) => page.Versions,
    ({NextMarker}) => NextMarker,
  );
  const used = new Set<string | null>();
  for (const {Version: Qualifier} of versions) {
    const found = await askFor('lambda:GetFunction', `${name}:${Qualifier}`, () =>
      lambda.getFunction({FunctionName: name, Qualifier}, how),
    );
    if (found !== null) used.add(imageOf(found));
  }
  return used;
}

/** Whether an earlier attempt has come to its end. */
async function isPushed({aws, text, how, askFor}: Job): Promise<boolean> {
  const ecr = await aws.ecr();
  const found = await askFor('ecr:DescribeImages', text('name'), () =>
    ecr.describeImages({repositoryName: text('name'), imageIds: [{imageDigest: text('image')}]}, how),
  );
  return (found?.imageDetails ?? []).length > 0;
}

/** A user name and a password, which are good for hours. */
async function readToken({aws, ask, how}: Job): Promise<readonly string[]> {
  const ecr = await aws.ecr();
  const {authorizationData} = await ask('ecr:GetAuthorizationToken', 'the registry', () =>
    ecr.getAuthorizationToken({}, how),
  );
  const token = Buffer.from(authorizationData?.[0]?.authorizationToken ?? '', 'base64').toString('utf8');
  const colon = token.indexOf(':');
  return [token.slice(0, colon), token.slice(colon + 1)];
}

async function readOwnRepository(job: Job, name: string, fn: string): Promise<string> {
  const ecr = await job.aws.ecr();
  const found = await job.ask('ecr:DescribeRepositories', name, () =>
    ecr.describeRepositories({repositoryNames: [name]}, job.how),
  );
  const {repositoryArn: resourceArn = '', repositoryUri = ''} = found.repositories?.[0] ?? {};
  const {tags = []} = await job.ask('ecr:ListTagsForResource', name, () =>
    ecr.listTagsForResource({resourceArn}, job.how),
  );
  if (tags.some(({Key, Value}) => Key === OWNER_TAG && Value === fn)) return repositoryUri;
  const message = `a repository ${name} is there already, and thaw did not make it`;
  throw new ThawError('PROVIDER_CONFLICT', message, {provider: 'aws', reason: 'taken', resource: name});
}
