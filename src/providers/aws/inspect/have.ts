import type {Digest} from '../../../core/digest.ts';
import type {JsonObject} from '../../../core/json.ts';
import type {Account} from '../calls/clients.ts';
import type {Settings} from '../wanted/settings.ts';
import type {BucketRule, MappingSettings} from '../wanted/triggers.ts';

export type Tags = {readonly [key: string]: string};

/** A published version, and what it was made of. */
export type VersionFound = {
  readonly version: string;
  /** ISO 8601. */
  readonly at: string;
  /** Null where it cannot be told: a function that thaw did not make. */
  readonly image: Digest | null;
  readonly settings: Settings;
  /** What its zip archive has. */
  readonly codeBytes: number;
  readonly state: string;
  /** Thaw published it, of a function that it did not make. */
  readonly ours: boolean;
  /** It looks as thaw publishes functions that it made: it carries thaw's variable, and nobody has described it. */
  readonly byThaw: boolean;
  /** What marks it as made for a cold start; null: it was not. */
  readonly nonce: string | null;
};

/** Instances that are kept ready for a version. */
export type ProvisionedFound = {
  readonly version: string;
  readonly requested: number;
  readonly ready: number;
  readonly status: 'IN_PROGRESS' | 'READY' | 'FAILED';
  readonly reason: string | null;
};

/** A statement of the policy on the alias, as thaw writes them. */
export type StatementFound = {readonly sid: string; readonly statement: JsonObject};

/** What Application Auto Scaling keeps of a version. */
export type ScheduleFound = {
  readonly version: string;
  readonly registered: boolean;
  readonly actions: readonly {
    readonly name: string;
    readonly schedule: string;
    readonly timezone: string;
    readonly min: number;
  }[];
};

/** A rule that thaw made to call the function by the clock. */
export type RuleFound = {
  readonly name: string;
  readonly schedule: string;
  readonly enabled: boolean;
  /** Whether it calls the live version. */
  readonly targeted: boolean;
  /** What it hands over; null: an event of its own. */
  readonly input: string | null;
};

/** A queue or stream that the live version is given records of. */
export type MappingFound = {
  readonly uuid: string;
  /** Its ARN. */
  readonly source: string;
  readonly state: string;
  readonly ours: boolean;
  /** Null: of a queue. */
  readonly startingPosition: string | null;
  readonly settings: MappingSettings;
};

/** A bucket that calls the live version, may call it, or shall. */
export type BucketFound = {
  readonly bucket: string;
  readonly exists: boolean;
  /** The statement that lets it call; null: there is none. */
  readonly sid: string | null;
  /** What it calls the live version for. */
  readonly rules: readonly BucketRule[];
  /** What it tells others. */
  readonly others: readonly (BucketRule & {readonly target: string})[];
};

/** A queue that shall call the function. */
export type QueueFound = {
  readonly arn: string;
  readonly exists: boolean;
  /** For how long a message that is being worked on is handed to nobody else; null: not known. */
  readonly visibilityMs: number | null;
};

/** What calls the function beside HTTP, and what is known of what shall. */
export type TriggersFound = {
  readonly rules: readonly RuleFound[];
  readonly mappings: readonly MappingFound[];
  readonly buckets: readonly BucketFound[];
  readonly queues: readonly QueueFound[];
};

export type FunctionFound = {
  readonly arn: string;
  /** Thaw made it. */
  readonly ours: boolean;
  /** Thaw did not make it, but published the version that is live. */
  readonly adopted: boolean;
  readonly tags: Tags;
  readonly state: string;
  readonly stateReason: string | null;
  readonly lastUpdate: string;
  readonly lastUpdateReason: string | null;
  readonly revision: string;
  readonly packageType: string;
  /** Something other than the image itself says what is started in it. */
  readonly startsOtherwise: boolean;
  readonly logGroup: string;
  /** Of `$LATEST`: as last written, published or not. */
  readonly latest: Settings;
  /** What thaw's own variables of `$LATEST` say: the digest of the image, and the mark of a cold start. */
  readonly declared: {readonly image: string | null; readonly nonce: string | null};
  /** `repository@digest`, which `$LATEST` runs. */
  readonly imageUri: string | null;
  readonly versions: readonly VersionFound[];
  /** The version that the alias points to; null: there is no alias. */
  readonly live: string | null;
  /** Aliases that were made for cold starts. */
  readonly coldAliases: readonly {readonly name: string; readonly version: string}[];
  /** Versions that any alias leads to, whoever made it, and be it with a weight. */
  readonly held: readonly string[];
  /** Null: nothing is reserved. */
  readonly reserved: number | null;
  readonly url: {readonly url: string; readonly auth: 'iam' | 'none'} | null;
  readonly statements: readonly StatementFound[];
  readonly provisioned: readonly ProvisionedFound[];
  readonly schedules: readonly ScheduleFound[];
};

export type RoleFound = {
  readonly arn: string;
  readonly tags: Tags;
  readonly boundary: string | null;
  /** ARNs of the managed policies. */
  readonly policies: readonly string[];
};

export type RepositoryFound = {
  readonly name: string;
  readonly uri: string;
  readonly tags: Tags;
  readonly images: readonly string[];
  /** Those of them that have a tag of thaw's and no other. */
  readonly pushed: readonly string[];
};

export type LogGroupFound = {
  readonly arn: string;
  readonly retentionDays: number | null;
  readonly tags: Tags;
};

/** The bucket of the user's own that larger archives go through. */
export type ArchiveBucketFound =
  | {
      readonly state: 'there';
      /** Keys of archives that an earlier deploy has left. */
      readonly left: readonly string[];
    }
  | {readonly state: 'absent'}
  | {readonly state: 'elsewhere'; readonly region: string};

/** What was found of a function in an account and a region. */
export type Have = {
  readonly account: Account;
  /** Environments that the account may run at once, and how many of them nobody has reserved; null: it may not be seen. */
  readonly concurrency: {readonly max: number; readonly unreserved: number} | null;
  readonly fn: FunctionFound | null;
  /** The role that thaw makes; the user's own is not looked at. */
  readonly role: RoleFound | null;
  /** The repository that thaw makes. */
  readonly repository: RepositoryFound | null;
  /** The repository of the user's own that the options name. */
  readonly ownRepository: RepositoryFound | null;
  /** Null where the options name none, or nothing goes through it. */
  readonly archiveBucket: ArchiveBucketFound | null;
  readonly logs: LogGroupFound | null;
  readonly triggers: TriggersFound;
};
