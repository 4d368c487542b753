import type * as Ecr from '@aws-sdk/client-ecr';
import type {IncomingMessage, ServerResponse} from 'node:http';
import type {FakeRegistry, FakeRegistryOptions} from '../../../unit/image/registry/fake-registry.ts';
import {addTags, listTags, pageOf, type Cloud, type Handlers, type Service} from '../cloud.ts';
import {Refusal} from '../refusal.ts';
import {jsonRpc} from '../wire/json-rpc.ts';

interface Repository {
  readonly name: string;
  readonly createdMs: number;
  readonly tags: Map<string, string>;
  mutability: Ecr.ImageTagMutability;
  scanOnPush: boolean;
  encryption: Ecr.EncryptionConfiguration;
  policy: string | null;
  lifecycle: string | null;
}

const PASSWORD = 'an-ecr-password-of-the-fake';

/** What other services ask ECR. */
export interface Images {
  /** The image that a reference names: `host/repository@digest` or `host/repository:tag`. Null: there is none. */
  find(reference: string): {readonly repository: string; readonly digest: string} | null;
  /** How the registry is to behave; the registry is started by somebody else. */
  readonly registryOptions: FakeRegistryOptions;
  plant(name: string, tags?: {readonly [key: string]: string}): void;
}

export function createEcr({clock, account, pageSize}: Cloud, registry: () => FakeRegistry): Service & Images {
  const repositories = new Map<string, Repository>();
  const arnOf = (name: string): string => account.arn('ecr', `repository/${name}`);

  const find = (name: string | undefined): Repository => {
    const found = repositories.get(name ?? '');
    if (found !== undefined) return found;
    throw new Refusal(
      'RepositoryNotFoundException',
      `The repository with name '${name}' does not exist in the registry with id '${account.id}'`,
    );
  };
  const byArn = (arn: string | undefined): Repository => find(arn?.split(':repository/')[1]);

  /** What the registry holds of a repository: each digest with its tags. */
  const imagesOf = (name: string): Map<string, string[]> => {
    const images = new Map<string, string[]>();
    const {manifests} = registry();
    for (const key of manifests.keys()) {
      if (key.startsWith(`${name}@`)) images.set(key.slice(name.length + 1), []);
    }
    for (const [key, kept] of manifests) {
      if (!key.startsWith(`${name}:`)) continue;
      const digest = [...images.keys()].find((each) => manifests.get(`${name}@${each}`) === kept);
      if (digest !== undefined) images.get(digest)?.push(key.slice(name.length + 1));
    }
    return images;
  };

  const removeImage = (name: string, digest: string): void => {
    const {manifests} = registry();
    const kept = manifests.get(`${name}@${digest}`);
    for (const [key, each] of manifests) {
      const ofRepository = key.startsWith(`${name}@`) || key.startsWith(`${name}:`);
      if (ofRepository && each === kept) manifests.delete(key);
    }
  };

  const renderRepository = (repository: Repository): Ecr.Repository => ({
    repositoryArn: arnOf(repository.name),
    registryId: account.id,
    repositoryName: repository.name,
    repositoryUri: `${registry().host}/${repository.name}`,
    createdAt: new Date(repository.createdMs),
    imageTagMutability: repository.mutability,
    imageScanningConfiguration: {scanOnPush: repository.scanOnPush},
    encryptionConfiguration: repository.encryption,
  });

  /** The digest that an identifier names; null: none here. */
  const digestOf = (name: string, {imageDigest, imageTag}: Ecr.ImageIdentifier): string | null => {
    const images = imagesOf(name);
    if (imageDigest !== undefined) return images.has(imageDigest) ? imageDigest : null;
    return [...images].find(([, tags]) => tags.includes(imageTag ?? ''))?.[0] ?? null;
  };

  const missing = (imageId: Ecr.ImageIdentifier): Ecr.ImageFailure => ({
    imageId,
    failureCode: 'ImageNotFound',
    failureReason: 'Requested image not found',
  });

  const handlers: Handlers = {
    CreateRepository(input: Ecr.CreateRepositoryRequest): Ecr.CreateRepositoryResponse {
      const {repositoryName: name = ''} = input;
      if (
        !/^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*\/)*[a-z0-9]+(?:[._-][a-z0-9]+)*$/.test(name) ||
        name.length > 256
      ) {
        throw new Refusal(
          'InvalidParameterException',
          `Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression '(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*''`,
        );
      }
      if (repositories.has(name)) {
        throw new Refusal(
          'RepositoryAlreadyExistsException',
          `The repository with name '${name}' already exists in the registry with id '${account.id}'`,
        );
      }
      const repository: Repository = {
        name,
        createdMs: clock.now(),
        tags: new Map(),
        mutability: input.imageTagMutability ?? 'MUTABLE',
        scanOnPush: input.imageScanningConfiguration?.scanOnPush ?? false,
        encryption: input.encryptionConfiguration ?? {encryptionType: 'AES256'},
        policy: null,
        lifecycle: null,
      };
      addTags(repository.tags, input.tags);
      repositories.set(name, repository);
      return {repository: renderRepository(repository)};
    },
    DescribeRepositories(input: Ecr.DescribeRepositoriesRequest): Ecr.DescribeRepositoriesResponse {
      const wanted = input.repositoryNames?.map(find) ?? [...repositories.values()];
      const {page, next} = pageOf(wanted, input.nextToken, input.maxResults, pageSize);
      return {repositories: page.map(renderRepository), nextToken: next};
    },
    DeleteRepository({repositoryName, force}: Ecr.DeleteRepositoryRequest): Ecr.DeleteRepositoryResponse {
      const repository = find(repositoryName);
      const images = imagesOf(repository.name);
      if (images.size > 0 && !force) {
        throw new Refusal(
          'RepositoryNotEmptyException',
          `The repository with name '${repository.name}' in registry with id '${account.id}' cannot be deleted because it still contains images`,
        );
      }
      for (const digest of images.keys()) removeImage(repository.name, digest);
      const {links} = registry();
      for (const link of links) if (link.startsWith(`${repository.name}@`)) links.delete(link);
      repositories.delete(repository.name);
      return {repository: renderRepository(repository)};
    },
    GetAuthorizationToken: (): Ecr.GetAuthorizationTokenResponse => ({
      authorizationData: [
        {
          authorizationToken: Buffer.from(`AWS:${PASSWORD}`).toString('base64'),
          expiresAt: new Date(clock.now() + 12 * 3_600_000),
          proxyEndpoint: `http://${registry().host}`,
        },
      ],
    }),
    DescribeImages(input: Ecr.DescribeImagesRequest): Ecr.DescribeImagesResponse {
      const {name} = find(input.repositoryName);
      const images = imagesOf(name);
      const wanted = input.imageIds?.map((id) => {
        const digest = digestOf(name, id);
        if (digest !== null) return digest;
        throw new Refusal(
          'ImageNotFoundException',
          `The image with imageId ${JSON.stringify(id)} does not exist within the repository with name '${name}' in the registry with id '${account.id}'`,
        );
      });
      const {page, next} = pageOf(wanted ?? [...images.keys()], input.nextToken, input.maxResults, pageSize);
      return {
        nextToken: next,
        imageDetails: page.map((digest) => {
          const kept = registry().manifests.get(`${name}@${digest}`);
          return {
            registryId: account.id,
            repositoryName: name,
            imageDigest: digest,
            imageTags: images.get(digest)?.length ? images.get(digest) : undefined,
            imageSizeInBytes: sizeOf(kept?.bytes),
            imageManifestMediaType: kept?.type,
          };
        }),
      };
    },
    ListImages(input: Ecr.ListImagesRequest): Ecr.ListImagesResponse {
      const images = imagesOf(find(input.repositoryName).name);
      const all = [...images].flatMap(([imageDigest, tags]) =>
        tags.length === 0 ? [{imageDigest}] : tags.map((imageTag) => ({imageDigest, imageTag})),
      );
      const {page, next} = pageOf(all, input.nextToken, input.maxResults, pageSize);
      return {imageIds: page, nextToken: next};
    },
    BatchGetImage(input: Ecr.BatchGetImageRequest): Ecr.BatchGetImageResponse {
      const {name} = find(input.repositoryName);
      const found = (input.imageIds ?? []).map((id) => ({id, digest: digestOf(name, id)}));
      return {
        images: found.flatMap(({id, digest}) => {
          const kept = digest === null ? undefined : registry().manifests.get(`${name}@${digest}`);
          if (digest === null || kept === undefined) return [];
          return {
            registryId: account.id,
            repositoryName: name,
            imageId: {...id, imageDigest: digest},
            imageManifest: kept.bytes.toString('utf8'),
            imageManifestMediaType: kept.type,
          };
        }),
        failures: found.filter(({digest}) => digest === null).map(({id}) => missing(id)),
      };
    },
    BatchDeleteImage(input: Ecr.BatchDeleteImageRequest): Ecr.BatchDeleteImageResponse {
      const {name} = find(input.repositoryName);
      const imageIds: Ecr.ImageIdentifier[] = [];
      const failures: Ecr.ImageFailure[] = [];
      for (const id of input.imageIds ?? []) {
        const digest = digestOf(name, id);
        if (digest === null) {
          failures.push(missing(id));
          continue;
        }
        const tags = imagesOf(name).get(digest) ?? [];
        // By its tag alone an image loses that tag; it goes with its last one.
        if (id.imageDigest === undefined && tags.length > 1)
          registry().manifests.delete(`${name}:${id.imageTag}`);
        else removeImage(name, digest);
        imageIds.push({...id, imageDigest: digest});
      }
      return {imageIds, failures};
    },
    PutImageTagMutability(input: Ecr.PutImageTagMutabilityRequest): Ecr.PutImageTagMutabilityResponse {
      const repository = find(input.repositoryName);
      repository.mutability = input.imageTagMutability ?? 'MUTABLE';
      return {
        registryId: account.id,
        repositoryName: repository.name,
        imageTagMutability: repository.mutability,
      };
    },
    SetRepositoryPolicy(input: Ecr.SetRepositoryPolicyRequest): Ecr.SetRepositoryPolicyResponse {
      const repository = find(input.repositoryName);
      repository.policy = input.policyText ?? '';
      return {registryId: account.id, repositoryName: repository.name, policyText: repository.policy};
    },
    GetRepositoryPolicy(input: Ecr.GetRepositoryPolicyRequest): Ecr.GetRepositoryPolicyResponse {
      const {name, policy} = find(input.repositoryName);
      if (policy === null) {
        throw new Refusal(
          'RepositoryPolicyNotFoundException',
          `Repository policy does not exist for the repository with name '${name}' in the registry with id '${account.id}'`,
        );
      }
      return {registryId: account.id, repositoryName: name, policyText: policy};
    },
    PutLifecyclePolicy(input: Ecr.PutLifecyclePolicyRequest): Ecr.PutLifecyclePolicyResponse {
      const repository = find(input.repositoryName);
      repository.lifecycle = input.lifecyclePolicyText ?? '';
      return {
        registryId: account.id,
        repositoryName: repository.name,
        lifecyclePolicyText: repository.lifecycle,
      };
    },
    GetLifecyclePolicy(input: Ecr.GetLifecyclePolicyRequest): Ecr.GetLifecyclePolicyResponse {
      const {name, lifecycle} = find(input.repositoryName);
      if (lifecycle === null) {
        throw new Refusal(
          'LifecyclePolicyNotFoundException',
          `Lifecycle policy does not exist for the repository with name '${name}' in the registry with id '${account.id}'`,
        );
      }
      return {registryId: account.id, repositoryName: name, lifecyclePolicyText: lifecycle};
    },
    TagResource({resourceArn, tags}: Ecr.TagResourceRequest): Ecr.TagResourceResponse {
      addTags(byArn(resourceArn).tags, tags);
      return {};
    },
    UntagResource({resourceArn, tagKeys}: Ecr.UntagResourceRequest): Ecr.UntagResourceResponse {
      for (const key of tagKeys ?? []) byArn(resourceArn).tags.delete(key);
      return {};
    },
    ListTagsForResource: ({
      resourceArn,
    }: Ecr.ListTagsForResourceRequest): Ecr.ListTagsForResourceResponse => ({
      tags: listTags(byArn(resourceArn).tags),
    }),
  };

  return {
    scope: 'ecr',
    prefix: 'ecr',
    loadClient: () => import('@aws-sdk/client-ecr'),
    protocol: (client) => jsonRpc(client, 'AmazonEC2ContainerRegistry_V20150921', '1.1'),
    throttled: {type: 'ThrottlingException', status: 400, message: 'Rate exceeded'},
    handlers,
    resourceOf: (_, {repositoryName, repositoryNames, resourceArn}) =>
      typeof resourceArn === 'string'
        ? resourceArn
        : typeof (repositoryName ?? first(repositoryNames)) === 'string'
          ? arnOf(String(repositoryName ?? first(repositoryNames)))
          : '*',
    inventory: () =>
      [...repositories.keys()].flatMap((name) => [
        `repository ${name}`,
        ...[...imagesOf(name).keys()].map((digest) => `image ${name}@${digest}`),
      ]),
    find(reference) {
      const [, host, repository = '', digest, tag] =
        /^([^/]+)\/([^@]+?)(?:@(sha256:[0-9a-f]{64})|:([\w.-]+))$/.exec(reference) ?? [];
      if (host !== registry().host || !repositories.has(repository)) return null;
      const id = digest === undefined ? {imageTag: tag} : {imageDigest: digest};
      const found = digestOf(repository, id);
      return found === null ? null : {repository, digest: found};
    },
    registryOptions: {
      demand: ({headers}) =>
        headers.authorization === `Basic ${Buffer.from(`AWS:${PASSWORD}`).toString('base64')}`
          ? null
          : `Basic realm="${registry().host}",service="ecr.amazonaws.com"`,
      other: (request, response) =>
        // Who does not say who he is is told nothing.
        request.headers.authorization !== undefined &&
        refuseAsEcr(request, response, repositories, registry()),
    },
    plant(name, tags = {}) {
      repositories.set(name, {
        name,
        createdMs: 0,
        tags: new Map(Object.entries(tags)),
        mutability: 'MUTABLE',
        scanOnPush: false,
        encryption: {encryptionType: 'AES256'},
        policy: null,
        lifecycle: null,
      });
    },
  };
}

/** What ECR's registry refuses that others take: repositories that were never made, and tags that shall not move. */
function refuseAsEcr(
  {method, url = ''}: IncomingMessage,
  response: ServerResponse,
  repositories: ReadonlyMap<string, Repository>,
  {manifests}: FakeRegistry,
): boolean {
  const [, name, kind, reference = ''] = /^\/v2\/(.+?)\/(blobs|manifests)\/([^?]*)/.exec(url) ?? [];
  if (name === undefined) return false;
  const complain = (status: number, code: string, message: string): boolean => {
    response.writeHead(status, {'content-type': 'application/json'});
    response.end(JSON.stringify({errors: [{code, message}]}));
    return true;
  };
  const repository = repositories.get(name);
  if (repository === undefined) {
    return complain(404, 'NAME_UNKNOWN', `The repository with name '${name}' does not exist`);
  }
  const moves =
    method === 'PUT' &&
    kind === 'manifests' &&
    !reference.startsWith('sha256:') &&
    manifests.has(`${name}:${reference}`);
  if (moves && repository.mutability === 'IMMUTABLE') {
    const message = `The image tag '${reference}' already exists in the '${name}' repository and cannot be overwritten because the tag is immutable.`;
    return complain(400, 'TAG_INVALID', message);
  }
  return false;
}

function sizeOf(manifest: Buffer | undefined): number {
  const {config, layers = []} = JSON.parse(manifest?.toString('utf8') ?? '{}') as {
    config?: {size: number};
    layers?: {size: number}[];
  };
  return [config, ...layers].reduce((sum, each) => sum + (each?.size ?? 0), 0);
}

const first = (names: unknown): unknown => (Array.isArray(names) ? names[0] : undefined);
