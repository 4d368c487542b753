import type {Context} from '../../../core/driver.ts';
import type {Aws} from '../calls/clients.ts';
import {look, lookFor} from '../calls/errors.ts';
import {readPages} from '../calls/pages.ts';
import {imageTag as thawsTag} from '../names.ts';
import type {RepositoryFound} from './have.ts';
import {tagsOf} from './role.ts';

/** A repository, and what thaw has pushed there; null: there is none of that name. */
export async function readRepository(
  aws: Aws,
  name: string,
  context: Context,
): Promise<RepositoryFound | null> {
  const ecr = await aws.ecr();
  const how = {abortSignal: context.signal};
  const about = (action: string) => ({action, resource: name});
  const found = await lookFor(about('ecr:DescribeRepositories'), context, () =>
    ecr.describeRepositories({repositoryNames: [name]}, how),
  );
  const repository = found?.repositories?.[0];
  if (!repository?.repositoryArn) return null;
  const resourceArn = repository.repositoryArn;
  const [tags, images] = await Promise.all([
    lookFor(about('ecr:ListTagsForResource'), context, () => ecr.listTagsForResource({resourceArn}, how)),
    readImages(aws, name, context),
  ]);
  return {name, uri: repository.repositoryUri ?? '', tags: tagsOf(tags?.tags ?? []), ...images};
}

async function readImages(
  aws: Aws,
  name: string,
  context: Context,
): Promise<Pick<RepositoryFound, 'images' | 'pushed'>> {
  const ecr = await aws.ecr();
  const asked = {action: 'ecr:ListImages', resource: name};
  const ids = await readPages(
    (nextToken) =>
      look(asked, context, () =>
        ecr.listImages({repositoryName: name, nextToken}, {abortSignal: context.signal}),
      ),
    ({imageIds}) => imageIds,
    ({nextToken}) => nextToken,
  );
  // An image with several tags is there several times.
  const digests = new Set(ids.flatMap(({imageDigest}) => (imageDigest === undefined ? [] : [imageDigest])));
  const others = ids.filter(({imageDigest = '', imageTag}) => imageTag !== thawsTag(imageDigest));
  const images = [...digests].sort();
  return {images, pushed: images.filter((digest) => !others.some(({imageDigest}) => imageDigest === digest))};
}
