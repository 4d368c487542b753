import type * as Lambda from '@aws-sdk/client-lambda';
import {createHash, randomUUID} from 'node:crypto';
import {canonicalJson} from '../../../../../src/core/json.ts';
import type {Cloud} from '../../cloud.ts';
import {Refusal} from '../../refusal.ts';
import {functionArn, notFound, type Target} from './names.ts';

/** What a function runs. */
export type Code =
  | {readonly kind: 'image'; readonly uri: string; readonly repository: string; readonly digest: string}
  | {readonly kind: 'zip'; readonly bytes: Uint8Array};

/** What can be set of a function, as it is told. */
export interface Configuration {
  readonly role: string;
  readonly description: string;
  readonly timeout: number;
  readonly memoryMb: number;
  readonly ephemeralMb: number;
  readonly architectures: Lambda.Architecture[];
  readonly environment: {readonly [name: string]: string};
  readonly kmsKey: string | undefined;
  readonly image: Lambda.ImageConfig | undefined;
  readonly vpc: Lambda.VpcConfig | undefined;
  readonly logging: Lambda.LoggingConfig;
  readonly tracing: Lambda.TracingMode;
  readonly snapStart: Lambda.SnapStartApplyOn;
  readonly deadLetter: string | undefined;
  readonly runtime: Lambda.Runtime | undefined;
  readonly handler: string | undefined;
  readonly layers: readonly string[];
  readonly fileSystems: Lambda.FileSystemConfig[] | undefined;
}

export interface Failure {
  readonly code: 'InvalidImage';
  readonly reason: string;
}

/** `$LATEST`, or a version that was published. */
export interface Version {
  readonly version: string;
  code: Code;
  configuration: Configuration;
  modifiedMs: number;
  revision: string;
  /** It is Pending until then. */
  readonly activeMs: number;
  /** Why it will be Failed instead of Active; null: it will not. */
  readonly failure: Failure | null;
  /** Why its last change will be Failed instead of Successful. */
  updateFailure: Failure | null;
  /** Its change is InProgress until then. */
  updatedMs: number | null;
  /** Given when it was published, in place of the function's own. */
  readonly description?: string;
}

export interface Alias {
  readonly name: string;
  version: string;
  description: string;
  revision: string;
  routing: {readonly [version: string]: number} | undefined;
  /** Where invocations still find it, and until when; no version: nowhere. */
  before: {readonly version: string | null; readonly untilMs: number};
  /** Where it came from, and until when it shows: only where concurrency is provisioned. */
  move: {readonly from: string; readonly untilMs: number} | null;
}

export interface Url {
  authType: Lambda.FunctionUrlAuthType;
  invokeMode: Lambda.InvokeMode;
  cors: Lambda.Cors | undefined;
  readonly createdMs: number;
  modifiedMs: number;
}

export interface Statement {
  readonly Sid: string;
  readonly Effect: 'Allow';
  readonly Principal: '*' | {readonly [kind: string]: string};
  readonly Action: string;
  readonly Resource: string;
  readonly Condition?: {readonly [test: string]: {readonly [key: string]: string}};
}

export interface Provisioned {
  requested: number;
  sinceMs: number;
  modifiedMs: number;
}

export interface FunctionRecord {
  readonly name: string;
  readonly packageType: Lambda.PackageType;
  readonly tags: Map<string, string>;
  readonly latest: Version;
  readonly versions: Map<string, Version>;
  readonly aliases: Map<string, Alias>;
  /** By alias; `$LATEST` for the function's own. */
  readonly urls: Map<string, Url>;
  readonly policies: Map<string, {readonly statements: Statement[]; revision: string}>;
  readonly provisioned: Map<string, Provisioned>;
  reserved: number | null;
  published: number;
  /** What was read of `$LATEST` before its last change is still read until then. */
  stale: {readonly untilMs: number; readonly view: Lambda.FunctionConfiguration} | null;
}

/** What code is told apart by. */
export const codeHash = (code: Code): string =>
  code.kind === 'image'
    ? code.digest.replace('sha256:', '')
    : createHash('sha256').update(code.bytes).digest('base64');

/** Versions are the same if their code and configuration are. */
export const contentOf = ({code, configuration}: Version): string =>
  canonicalJson([codeHash(code), JSON.parse(JSON.stringify(configuration))]);

/** All functions, and what time alone changes of them. */
export class Functions {
  readonly all = new Map<string, FunctionRecord>();
  readonly #cloud: Cloud;

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
  }

  /** @throws Refusal ResourceNotFoundException */
  find(target: Target): FunctionRecord {
    const fn = this.all.get(target.name);
    if (fn === undefined) throw notFound(this.#cloud.account, target);
    const {latest} = fn;
    if (latest.updatedMs !== null && this.#cloud.clock.now() >= latest.updatedMs) {
      latest.updatedMs = null;
      // The service itself writes once more when it is done.
      latest.revision = randomUUID();
    }
    return fn;
  }

  /**
   * The version that a qualifier names, itself or by an alias.
   *
   * @throws Refusal ResourceNotFoundException
   */
  version(fn: FunctionRecord, qualifier: string | null): Version {
    if (qualifier === null || qualifier === '$LATEST') return fn.latest;
    const found = fn.versions.get(fn.aliases.get(qualifier)?.version ?? qualifier);
    if (found === undefined) throw notFound(this.#cloud.account, {name: fn.name, qualifier});
    return found;
  }

  /**
   * The version that an invocation runs: what aliases say comes to know of it late (DataBiosphere/azul#7883).
   *
   * @throws Refusal ResourceNotFoundException
   */
  invoked(fn: FunctionRecord, qualifier: string | null): Version {
    const before = fn.aliases.get(qualifier ?? '')?.before;
    if (before === undefined || this.#cloud.clock.now() >= before.untilMs) return this.version(fn, qualifier);
    const found = fn.versions.get(before.version ?? '');
    if (found === undefined) throw notFound(this.#cloud.account, {name: fn.name, qualifier});
    return found;
  }

  alias(fn: FunctionRecord, name: string): Alias {
    const alias = fn.aliases.get(name);
    if (alias !== undefined) return alias;
    throw new Refusal(
      'ResourceNotFoundException',
      `Cannot find alias arn: ${functionArn(this.#cloud.account, fn.name, name)}`,
    );
  }

  /** The version that an alias is moving away from; null: it is not. */
  movedFrom(fn: FunctionRecord, aliasName: string): string | null {
    const move = fn.aliases.get(aliasName)?.move ?? null;
    return move !== null && this.#cloud.clock.now() < move.untilMs ? move.from : null;
  }

  stateOf({activeMs, failure}: Version): 'Pending' | 'Active' | 'Failed' {
    if (this.#cloud.clock.now() < activeMs) return 'Pending';
    return failure === null ? 'Active' : 'Failed';
  }

  /**
   * A function whose `$LATEST` may be written.
   *
   * @throws Refusal ResourceConflictException while it is being made or changed
   */
  writable(target: Target, revision?: string): FunctionRecord {
    const fn = this.find(target);
    const state = this.stateOf(fn.latest);
    const arn = functionArn(this.#cloud.account, fn.name);
    if (state === 'Pending') {
      throw new Refusal(
        'ResourceConflictException',
        `The operation cannot be performed at this time. The function is currently in the following state: Pending`,
      );
    }
    if (fn.latest.updatedMs !== null) {
      throw new Refusal(
        'ResourceConflictException',
        `The operation cannot be performed at this time. An update is in progress for resource: ${arn}`,
      );
    }
    if (revision !== undefined && revision !== fn.latest.revision) throw staleRevision();
    return fn;
  }

  /** How a version is told, by the name that was asked for. */
  render(fn: FunctionRecord, version: Version, qualifier: string | null): Lambda.FunctionConfiguration {
    const {configuration, code} = version;
    const state = this.stateOf(version);
    const isZip = code.kind === 'zip';
    return {
      FunctionName: fn.name,
      FunctionArn: functionArn(this.#cloud.account, fn.name, qualifier),
      Role: configuration.role,
      Runtime: configuration.runtime,
      Handler: configuration.handler,
      CodeSize: isZip ? code.bytes.length : 0,
      Description: version.description ?? configuration.description,
      Timeout: configuration.timeout,
      MemorySize: configuration.memoryMb,
      LastModified: new Date(version.modifiedMs).toISOString().replace('Z', '+0000'),
      CodeSha256: codeHash(code),
      Version: version.version,
      VpcConfig: configuration.vpc && {...configuration.vpc, VpcId: 'vpc-0000000000thaw000'},
      DeadLetterConfig:
        configuration.deadLetter === undefined ? undefined : {TargetArn: configuration.deadLetter},
      Environment:
        Object.keys(configuration.environment).length === 0
          ? undefined
          : {Variables: {...configuration.environment}},
      KMSKeyArn: configuration.kmsKey,
      TracingConfig: {Mode: configuration.tracing},
      RevisionId: version.revision,
      Layers: configuration.layers.length === 0 ? undefined : configuration.layers.map((Arn) => ({Arn})),
      State: state,
      StateReason:
        state === 'Pending'
          ? 'The function is being created.'
          : state === 'Failed'
            ? version.failure?.reason
            : undefined,
      StateReasonCode:
        state === 'Pending' ? 'Creating' : state === 'Failed' ? version.failure?.code : undefined,
      ...(state !== 'Pending' && lastUpdateOf(version)),
      PackageType: fn.packageType,
      ImageConfigResponse: configuration.image === undefined ? undefined : {ImageConfig: configuration.image},
      Architectures: configuration.architectures,
      EphemeralStorage: {Size: configuration.ephemeralMb},
      SnapStart: {
        ApplyOn: configuration.snapStart,
        OptimizationStatus:
          configuration.snapStart === 'PublishedVersions' && version.version !== '$LATEST' ? 'On' : 'Off',
      },
      LoggingConfig: configuration.logging,
      FileSystemConfigs: configuration.fileSystems,
    };
  }

  /** Marks `$LATEST` as changed, with a new revision, for a while. */
  change(
    fn: FunctionRecord,
    what: Partial<Pick<Version, 'code' | 'configuration'>>,
    updateFailure: Failure | null = null,
  ): void {
    const {clock, paces} = this.#cloud;
    fn.stale = {untilMs: clock.now() + paces.staleMs, view: this.render(fn, fn.latest, null)};
    Object.assign(fn.latest, what, {updateFailure});
    fn.latest.revision = randomUUID();
    fn.latest.modifiedMs = clock.now();
    fn.latest.updatedMs = clock.now() + paces.updateMs;
  }

  /** What a read of a version gives: for a moment after a change, what was there before. */
  read(fn: FunctionRecord, qualifier: string | null): Lambda.FunctionConfiguration {
    const version = this.version(fn, qualifier);
    const {stale} = fn;
    if (version === fn.latest && stale !== null && this.#cloud.clock.now() < stale.untilMs) return stale.view;
    return this.render(fn, version, qualifier);
  }
}

function lastUpdateOf({updatedMs, updateFailure}: Version): Lambda.FunctionConfiguration {
  if (updatedMs !== null) {
    return {
      LastUpdateStatus: 'InProgress',
      LastUpdateStatusReason: 'The function is being created.',
      // The service says it; the client's list does not know it.
      LastUpdateStatusReasonCode: 'Creating' as Lambda.LastUpdateStatusReasonCode,
    };
  }
  if (updateFailure === null) return {LastUpdateStatus: 'Successful'};
  return {
    LastUpdateStatus: 'Failed',
    LastUpdateStatusReason: updateFailure.reason,
    LastUpdateStatusReasonCode: updateFailure.code,
  };
}

export const staleRevision = (): Refusal =>
  new Refusal(
    'PreconditionFailedException',
    'The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id',
  );
