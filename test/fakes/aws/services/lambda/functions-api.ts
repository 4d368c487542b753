import type * as Lambda from '@aws-sdk/client-lambda';
import {randomUUID} from 'node:crypto';
import {pageOf, type Call, type Cloud, type Handlers} from '../../cloud.ts';
import {Refusal} from '../../refusal.ts';
import {readManifest} from '../../sandboxes/image-files.ts';
import {readZip} from '../../sandboxes/zip-files.ts';
import type {FakeRegistry} from '../../../../unit/image/registry/fake-registry.ts';
import type {Images} from '../ecr.ts';
import type {Roles} from '../iam.ts';
import type {Buckets} from '../s3.ts';
import {functionArn, parseTarget} from './names.ts';
import {ALIAS_RULES, CREATE_RULES, hold, SETTINGS_RULES, type Settings} from './rules.ts';
import {
  codeHash,
  contentOf,
  staleRevision,
  type Code,
  type Configuration,
  type Failure,
  type FunctionRecord,
  type Functions,
  type Version,
} from './state.ts';

/** What functions are made of, beside themselves. */
export interface Surroundings {
  readonly cloud: Cloud;
  readonly roles: Roles;
  readonly images: Images;
  readonly registry: () => FakeRegistry;
  readonly buckets: () => Buckets;
  /** Null: it is the ARN of something else. */
  readonly tagsOfMapping: (arn: string | undefined) => Map<string, string> | null;
  /** Called when sandboxes of a function may be of what is no more. */
  readonly onChange: (fn: FunctionRecord) => void;
  readonly onDelete: (name: string) => void;
}

const SNAPSTART_LABEL = 'com.amazonaws.lambda.feature.snapstart';

const invalid = (message: string): Refusal => new Refusal('InvalidParameterValueException', message);

/**
 * docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 50 MB in a request, which is base64 there
 * (troubleshooting-deployment.html), so that a request has 70167211 bytes; 250 MB unzipped.
 */
const REQUEST_BYTES_MAX = 70_167_211;
const UNZIPPED_BYTES_MAX = 262_144_000;

function checkRequest(operation: string, {headers}: Call): void {
  if (Number(headers['content-length'] ?? 0) < REQUEST_BYTES_MAX) return;
  const message = `Request must be smaller than ${REQUEST_BYTES_MAX} bytes for the ${operation} operation`;
  throw new Refusal('RequestEntityTooLargeException', message, {status: 413});
}

function checkZip(bytes: Uint8Array): void {
  let unzippedBytes = 0;
  try {
    unzippedBytes = readZip(bytes).reduce((sum, {content}) => sum + content.length, 0);
  } catch {
    throw invalid('Could not unzip uploaded file. Please check your file, then try to upload again.');
  }
  if (unzippedBytes > UNZIPPED_BYTES_MAX) {
    throw invalid(`Unzipped size must be smaller than ${UNZIPPED_BYTES_MAX} bytes`);
  }
}

/** Creating, changing, publishing, reading and deleting functions. */
export function functionsApi(functions: Functions, around: Surroundings): Handlers {
  const {cloud, roles, images, registry, buckets} = around;
  const {account, clock, paces, pageSize} = cloud;

  /** Functions have tags, and so do their event source mappings. */
  const tagsOf = (arn: string | undefined): Map<string, string> =>
    around.tagsOfMapping(arn) ?? functions.find(parseTarget(arn)).tags;

  const checkRole = (role: string | undefined): void => {
    if (role === undefined) return;
    account.demand('iam:PassRole', role);
    if (!roles.assumable(role)) {
      throw invalid('The role defined for the function cannot be assumed by Lambda.');
    }
  };

  const checkSettings = (settings: Settings): void => {
    hold(SETTINGS_RULES, settings, account);
    checkRole(settings.Role);
  };

  const imageOf = (uri: string): Code => {
    const found = images.find(uri);
    if (found === null) throw invalid(`Source image ${uri} does not exist. Provide a valid source image.`);
    const manifest = readManifest(registry(), found.repository, found.digest);
    // github.com/aws/aws-lambda-roadmap#82: no index, attestations included.
    const isImage = /image\.manifest\.v1\+json|distribution\.manifest\.v2\+json/.test(
      manifest?.mediaType ?? '',
    );
    const layers = manifest?.layers ?? [];
    if (!isImage || layers.some(({mediaType}) => mediaType.includes('zstd'))) {
      throw invalid(
        `The image manifest, config or layer media type for the source image ${uri} is not supported.`,
      );
    }
    return {kind: 'image', uri, ...found};
  };

  const codeOf = ({ImageUri, ZipFile, ...where}: Lambda.FunctionCode): Code => {
    if (ImageUri !== undefined) return imageOf(ImageUri);
    if ([ZipFile, where.S3Bucket].every((each) => each === undefined)) {
      throw invalid('Please provide a source for function code.');
    }
    if (ZipFile !== undefined && where.S3Bucket !== undefined) {
      throw invalid('Please do not provide other FunctionCode parameters when providing a ZipFile.');
    }
    const {S3Bucket: Bucket, S3Key: Key, S3ObjectVersion: VersionId} = where;
    const bytes = ZipFile ?? buckets().fetchCode({Bucket, Key, VersionId});
    checkZip(bytes);
    return {kind: 'zip', bytes};
  };

  /** What is found out of an image only after the call. */
  const failureOf = (code: Code): Failure | null => {
    if (code.kind === 'zip') return null;
    const manifest = readManifest(registry(), code.repository, code.digest);
    const layers = (manifest?.layers ?? []).map(({digest}) => ({
      digest,
      bytes: registry().blobs.get(digest),
    }));
    // bazel-contrib/rules_oci#777 and #645.
    const plain = layers.find(({bytes}) => bytes?.[0] !== 0x1f || bytes[1] !== 0x8b);
    // A gzip member ends with its size.
    const unpacked = layers.reduce((sum, {bytes}) => sum + (bytes?.readUInt32LE(bytes.length - 4) ?? 0), 0);
    if (plain === undefined && unpacked > account.imageBytesMax) {
      // aws-samples/aws-genai-llm-chatbot#59
      const reason = 'SizeLimitExceeded: Uncompressed container image size exceeds 10 GiB limit';
      return {code: 'InvalidImage', reason};
    }
    return plain === undefined
      ? null
      : {
          code: 'InvalidImage',
          reason: `ImageLayerFailure: UnsupportedImageLayerDetected - Layer Digest ${plain.digest}`,
        };
  };

  const settled = (input: Settings, before: Configuration): Configuration => ({
    ...before,
    role: input.Role ?? before.role,
    description: input.Description ?? before.description,
    timeout: input.Timeout ?? before.timeout,
    memoryMb: input.MemorySize ?? before.memoryMb,
    ephemeralMb: input.EphemeralStorage?.Size ?? before.ephemeralMb,
    environment: input.Environment === undefined ? before.environment : {...input.Environment.Variables},
    snapStart: input.SnapStart?.ApplyOn ?? before.snapStart,
    vpc:
      input.VpcConfig === undefined
        ? before.vpc
        : input.VpcConfig.SubnetIds?.length
          ? input.VpcConfig
          : undefined,
    logging: input.LoggingConfig === undefined ? before.logging : {...before.logging, ...input.LoggingConfig},
    layers: input.Layers ?? before.layers,
  });

  /** What only some calls can set. */
  const further = (
    input: Pick<
      Lambda.CreateFunctionRequest,
      | 'KMSKeyArn'
      | 'ImageConfig'
      | 'TracingConfig'
      | 'DeadLetterConfig'
      | 'Runtime'
      | 'Handler'
      | 'FileSystemConfigs'
    >,
    before: Configuration,
  ): Configuration => ({
    ...before,
    kmsKey: input.KMSKeyArn === undefined ? before.kmsKey : input.KMSKeyArn || undefined,
    image: input.ImageConfig ?? before.image,
    tracing: input.TracingConfig?.Mode ?? before.tracing,
    deadLetter:
      input.DeadLetterConfig === undefined
        ? before.deadLetter
        : input.DeadLetterConfig.TargetArn || undefined,
    runtime: input.Runtime ?? before.runtime,
    handler: input.Handler ?? before.handler,
    fileSystems: input.FileSystemConfigs ?? before.fileSystems,
  });

  /** Reports of July to September 2026 have it so; the documentation says that images cannot at all. */
  const checkSnapStart = (code: Code): void => {
    if (code.kind === 'zip') return;
    const manifest = readManifest(registry(), code.repository, code.digest);
    const config = registry().blobs.get(manifest?.config?.digest ?? '');
    const {config: settings = {}} = JSON.parse(config?.toString('utf8') ?? '{}') as {
      config?: {Labels?: {[name: string]: string}};
    };
    if (settings.Labels?.[SNAPSTART_LABEL] !== 'Allow') {
      throw invalid(`SnapStart is not supported for images without the label ${SNAPSTART_LABEL}=Allow.`);
    }
  };

  const publish = (fn: FunctionRecord, description?: string): Version => {
    const last = [...fn.versions.values()].at(-1);
    if (
      last !== undefined &&
      Number(last.version) === fn.published &&
      contentOf(last) === contentOf(fn.latest)
    ) {
      return last;
    }
    if (fn.latest.configuration.snapStart === 'PublishedVersions') checkSnapStart(fn.latest.code);
    const version = String(++fn.published);
    const made: Version = {
      version,
      code: fn.latest.code,
      configuration: fn.latest.configuration,
      modifiedMs: fn.latest.modifiedMs,
      revision: randomUUID(),
      activeMs: Math.max(clock.now(), fn.latest.activeMs) + paces.publishMs,
      failure: null,
      updateFailure: null,
      updatedMs: null,
      ...(description === undefined ? {} : {description}),
    };
    fn.versions.set(version, made);
    around.onChange(fn);
    return made;
  };

  return {
    CreateFunction(input: Lambda.CreateFunctionRequest, call: Call): Lambda.FunctionConfiguration {
      checkRequest('CreateFunction', call);
      const {FunctionName: name = '', PackageType: packageType = 'Zip'} = input;
      hold(CREATE_RULES, input, account);
      checkSettings(input);
      const code = codeOf(input.Code ?? {});
      if (functions.all.has(name)) {
        throw new Refusal('ResourceConflictException', `Function already exist: ${name}`);
      }
      const nothing: Configuration = {
        role: '',
        description: '',
        timeout: 3,
        memoryMb: 128,
        ephemeralMb: 512,
        architectures: input.Architectures ?? ['x86_64'],
        environment: {},
        kmsKey: undefined,
        image: undefined,
        vpc: undefined,
        logging: {LogFormat: 'Text', LogGroup: `/aws/lambda/${name}`},
        tracing: 'PassThrough',
        snapStart: 'None',
        deadLetter: undefined,
        runtime: undefined,
        handler: undefined,
        layers: [],
        fileSystems: undefined,
      };
      const now = clock.now();
      const latest: Version = {
        version: '$LATEST',
        code,
        configuration: further(input, settled(input, nothing)),
        modifiedMs: now,
        revision: randomUUID(),
        activeMs: now + paces.createMs,
        failure: failureOf(code),
        updateFailure: null,
        // The service itself writes once more when it is done.
        updatedMs: now + paces.createMs,
      };
      const fn: FunctionRecord = {
        name,
        packageType,
        tags: new Map(Object.entries(input.Tags ?? {})),
        latest,
        versions: new Map(),
        aliases: new Map(),
        urls: new Map(),
        policies: new Map(),
        provisioned: new Map(),
        reserved: null,
        published: 0,
        stale: null,
      };
      functions.all.set(name, fn);
      if (input.Publish) {
        const version = publish(fn);
        return functions.render(fn, version, version.version);
      }
      return functions.render(fn, latest, null);
    },

    GetFunction(input: Lambda.GetFunctionRequest): Lambda.GetFunctionResponse {
      const target = parseTarget(input.FunctionName, input.Qualifier);
      const fn = functions.find(target);
      const {code} = functions.version(fn, target.qualifier);
      const host = registry().host;
      return {
        Configuration: functions.read(fn, target.qualifier),
        Code:
          code.kind === 'image'
            ? {
                RepositoryType: 'ECR',
                ImageUri: code.uri,
                ResolvedImageUri: `${host}/${code.repository}@${code.digest}`,
              }
            : {
                RepositoryType: 'S3',
                Location: `${cloud.origin()}/code/${fn.name}/${target.qualifier ?? '$LATEST'}`,
              },
        Tags: fn.tags.size === 0 ? undefined : Object.fromEntries(fn.tags),
        Concurrency: fn.reserved === null ? undefined : {ReservedConcurrentExecutions: fn.reserved},
      };
    },

    GetFunctionConfiguration(input: Lambda.GetFunctionConfigurationRequest): Lambda.FunctionConfiguration {
      const target = parseTarget(input.FunctionName, input.Qualifier);
      return functions.read(functions.find(target), target.qualifier);
    },

    UpdateFunctionConfiguration(
      input: Lambda.UpdateFunctionConfigurationRequest,
    ): Lambda.FunctionConfiguration {
      const fn = functions.writable(parseTarget(input.FunctionName), input.RevisionId);
      checkSettings(input);
      functions.change(fn, {configuration: further(input, settled(input, fn.latest.configuration))});
      around.onChange(fn);
      return functions.render(fn, fn.latest, null);
    },

    UpdateFunctionCode(input: Lambda.UpdateFunctionCodeRequest, call: Call): Lambda.FunctionConfiguration {
      checkRequest('UpdateFunctionCode', call);
      const fn = functions.writable(parseTarget(input.FunctionName), input.RevisionId);
      const code = codeOf(input);
      if ((code.kind === 'image') !== (fn.packageType === 'Image')) {
        throw invalid(
          fn.packageType === 'Image'
            ? 'Please provide ImageUri when updating a function with packageType Image.'
            : 'Please do not provide ImageUri when updating a function with packageType Zip.',
        );
      }
      if (input.DryRun) return functions.render(fn, fn.latest, null);
      const {configuration} = fn.latest;
      const architectures = input.Architectures ?? configuration.architectures;
      functions.change(fn, {code, configuration: {...configuration, architectures}}, failureOf(code));
      around.onChange(fn);
      if (!input.Publish) return functions.render(fn, fn.latest, null);
      const version = publish(fn);
      return functions.render(fn, version, version.version);
    },

    PublishVersion(input: Lambda.PublishVersionRequest): Lambda.FunctionConfiguration {
      const fn = functions.writable(parseTarget(input.FunctionName), input.RevisionId);
      if (input.CodeSha256 !== undefined && input.CodeSha256 !== codeHash(fn.latest.code)) {
        throw invalid(
          `CodeSHA256 (${input.CodeSha256}) is different from current CodeSHA256 in $LATEST (${codeHash(fn.latest.code)}). Please try again with the CodeSHA256 in $LATEST.`,
        );
      }
      const version = publish(fn, input.Description);
      return functions.render(fn, version, version.version);
    },

    ListVersionsByFunction(
      input: Lambda.ListVersionsByFunctionRequest,
    ): Lambda.ListVersionsByFunctionResponse {
      const fn = functions.find(parseTarget(input.FunctionName));
      const all = [fn.latest, ...fn.versions.values()];
      const {page, next} = pageOf(all, input.Marker, input.MaxItems, pageSize);
      return {
        NextMarker: next,
        Versions: page.map((version) => functions.render(fn, version, version.version)),
      };
    },

    ListFunctions(input: Lambda.ListFunctionsRequest): Lambda.ListFunctionsResponse {
      const {page, next} = pageOf([...functions.all.values()], input.Marker, input.MaxItems, pageSize);
      return {NextMarker: next, Functions: page.map((fn) => functions.render(fn, fn.latest, null))};
    },

    DeleteFunction(input: Lambda.DeleteFunctionRequest): Lambda.DeleteFunctionResponse {
      // API_DeleteFunction: "the service sends back an HTTP 204 response with an empty HTTP body"
      const done = {StatusCode: 204};
      const target = parseTarget(input.FunctionName, input.Qualifier);
      const {qualifier} = target;
      if (qualifier === null) {
        functions.writable(target);
        functions.all.delete(target.name);
        around.onDelete(target.name);
        return done;
      }
      const fn = functions.find(target);
      if (qualifier === '$LATEST') {
        throw invalid('$LATEST version cannot be deleted without deleting the function.');
      }
      if (fn.aliases.has(qualifier)) {
        throw invalid('Deletion of aliases is not currently supported.');
      }
      // Whoever deletes what is not there has what he wanted.
      if (!fn.versions.has(qualifier)) return done;
      const users = [...fn.aliases.values()].filter(({version}) => version === qualifier);
      if (users.length > 0) {
        throw new Refusal(
          'ResourceConflictException',
          `Unable to delete version because the following aliases reference it: [${users.map(({name}) => name).join(', ')}]`,
        );
      }
      fn.versions.delete(qualifier);
      fn.provisioned.delete(qualifier);
      around.onChange(fn);
      return done;
    },

    TagResource({Resource, Tags}: Lambda.TagResourceRequest): void {
      const tags = tagsOf(Resource);
      for (const [key, value] of Object.entries(Tags ?? {})) tags.set(key, value);
    },
    UntagResource({Resource, TagKeys}: Lambda.UntagResourceRequest): void {
      const tags = tagsOf(Resource);
      for (const key of TagKeys ?? []) tags.delete(key);
    },
    ListTags: ({Resource}: Lambda.ListTagsRequest): Lambda.ListTagsResponse => ({
      Tags: Object.fromEntries(tagsOf(Resource)),
    }),

    GetAccountSettings(): Lambda.GetAccountSettingsResponse {
      const reserved = [...functions.all.values()].reduce((sum, {reserved}) => sum + (reserved ?? 0), 0);
      return {
        AccountLimit: {
          TotalCodeSize: 80_530_636_800,
          CodeSizeUnzipped: 262_144_000,
          CodeSizeZipped: 52_428_800,
          ConcurrentExecutions: account.concurrency,
          UnreservedConcurrentExecutions: account.concurrency - reserved,
        },
        AccountUsage: {TotalCodeSize: 0, FunctionCount: functions.all.size},
      };
    },

    CreateAlias(input: Lambda.CreateAliasRequest): Lambda.AliasConfiguration {
      const {Name: name = '', FunctionVersion: version = ''} = input;
      const fn = functions.find(parseTarget(input.FunctionName));
      checkAliasName(name);
      functions.version(fn, version);
      if (fn.aliases.has(name)) {
        throw new Refusal(
          'ResourceConflictException',
          `Alias already exists: ${functionArn(account, fn.name, name)}`,
        );
      }
      const routing = input.RoutingConfig?.AdditionalVersionWeights;
      const made = {
        name,
        version,
        description: input.Description ?? '',
        revision: randomUUID(),
        routing,
        move: null,
      };
      const before = {version: null, untilMs: clock.now() + paces.aliasMs};
      fn.aliases.set(name, {...made, before});
      return renderAlias(fn, name);
    },
    GetAlias(input: Lambda.GetAliasRequest): Lambda.AliasConfiguration {
      return renderAlias(functions.find(parseTarget(input.FunctionName)), input.Name ?? '');
    },
    UpdateAlias(input: Lambda.UpdateAliasRequest): Lambda.AliasConfiguration {
      const fn = functions.find(parseTarget(input.FunctionName));
      const alias = functions.alias(fn, input.Name ?? '');
      if (input.RevisionId !== undefined && input.RevisionId !== alias.revision) throw staleRevision();
      if (input.FunctionVersion !== undefined) functions.version(fn, input.FunctionVersion);
      const provisioned = fn.provisioned.get(alias.name);
      if (provisioned !== undefined && (input.FunctionVersion ?? alias.version) !== alias.version) {
        provisioned.sinceMs = clock.now();
        alias.move = {from: alias.version, untilMs: clock.now() + paces.provisionMs};
      }
      const next = input.FunctionVersion ?? alias.version;
      if (next !== alias.version)
        alias.before = {version: alias.version, untilMs: clock.now() + paces.aliasMs};
      alias.version = next;
      alias.description = input.Description ?? alias.description;
      alias.routing = input.RoutingConfig?.AdditionalVersionWeights ?? alias.routing;
      alias.revision = randomUUID();
      around.onChange(fn);
      return renderAlias(fn, alias.name);
    },
    DeleteAlias(input: Lambda.DeleteAliasRequest): void {
      const name = input.Name ?? '';
      const fn = functions.find(parseTarget(input.FunctionName));
      fn.aliases.delete(name);
      fn.urls.delete(name);
      fn.policies.delete(name);
      fn.provisioned.delete(name);
      around.onChange(fn);
    },
    ListAliases(input: Lambda.ListAliasesRequest): Lambda.ListAliasesResponse {
      const fn = functions.find(parseTarget(input.FunctionName));
      const wanted = input.FunctionVersion;
      const all = [...fn.aliases.values()].filter(({version}) => wanted === undefined || version === wanted);
      const {page, next} = pageOf(all, input.Marker, input.MaxItems, pageSize);
      return {NextMarker: next, Aliases: page.map(({name}) => renderAlias(fn, name))};
    },
  };

  function renderAlias(fn: FunctionRecord, aliasName: string): Lambda.AliasConfiguration {
    const {name, version, description, revision, routing} = functions.alias(fn, aliasName);
    const from = functions.movedFrom(fn, name);
    // hashicorp/terraform-provider-aws#48116: until the new version is provisioned, all weight is on the old one.
    const weights = routing ?? (from === null ? undefined : {[from]: 1});
    return {
      AliasArn: functionArn(account, fn.name, name),
      Name: name,
      FunctionVersion: version,
      Description: description,
      RevisionId: revision,
      RoutingConfig: weights && {AdditionalVersionWeights: weights},
    };
  }

  function checkAliasName(name: string): void {
    hold(ALIAS_RULES, {FunctionName: '', FunctionVersion: '', Name: name}, account);
  }
}
