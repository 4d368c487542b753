import {createHash} from 'node:crypto';

/** What says, on everything that thaw makes, which function it was made for. */
export const OWNER_TAG = 'thaw:function';

/** The alias that requests go through. */
export const LIVE = 'live';

/** Variables that thaw itself adds to the environment of a function: the digest of the image, for evidence. */
export const IMAGE_VARIABLE = 'THAW_IMAGE';
/** The mark of a version that is made for a cold start: a value that no version had before. */
export const NONCE_VARIABLE = 'THAW_NONCE';
/** Which variables have their values from where: JSON, of references alone. */
export const SECRETS_VARIABLE = 'THAW_SECRETS';
export const OWN_VARIABLES: readonly string[] = [IMAGE_VARIABLE, NONCE_VARIABLE, SECRETS_VARIABLE];

/** What lets Lambda make snapshots of an image's instances. */
export const SNAP_START_LABELS = {'com.amazonaws.lambda.feature.snapstart': 'Allow'} as const;

/** Lets functions write their log. */
export const BASIC_EXECUTION = 'service-role/AWSLambdaBasicExecutionRole';
/** Lets functions have network interfaces in a VPC, and write their log. */
export const VPC_EXECUTION = 'service-role/AWSLambdaVPCAccessExecutionRole';

const ROLE_CHARS_MAX = 64;

/** Roles belong to the account, functions to a region: the name says both. */
export function roleName(fn: string, region: string): string {
  const name = `thaw-${fn}-${region}`;
  if (name.length <= ROLE_CHARS_MAX) return name;
  const mark = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${name.slice(0, ROLE_CHARS_MAX - mark.length - 1)}-${mark}`;
}

/** The same where the region is not known: a pattern, as policies have it. */
export const rolePattern = (fn: string): string => `${`thaw-${fn}-`.slice(0, ROLE_CHARS_MAX - 9)}*`;

/** Repositories have lower-case names. */
export const repositoryName = (fn: string): string => `thaw/${fn.toLowerCase()}`;

export const logGroupName = (fn: string): string => `/aws/lambda/${fn}`;

const shortHash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 10);

/** What the names of a function's EventBridge rules begin with. */
export const rulePrefix = (fn: string): string => `thaw-${fn.slice(0, 46)}-`;

/** The rule of a schedule and what it hands over: another one is another rule. */
export const ruleName = (fn: string, schedule: string, input: string | null = null): string =>
  `${rulePrefix(fn)}${shortHash(input === null ? schedule : `${schedule} ${input}`)}`;

/** The statement that lets a rule or a bucket call the function. */
export const callerSid = (kind: 'rule' | 's3', name: string): string => `thaw-${kind}-${shortHash(name)}`;

/** What the names of aliases that are made for cold starts begin with. */
export const COLD_ALIAS = 'thaw-cold-';

/** The alias of a version that is made for a cold start. */
export const coldAlias = (nonce: string): string => `${COLD_ALIAS}${nonce}`;

/** A mark that no version has had: it is of the last write to the function, and every write changes its revision. */
export const nonceFor = ({revision, versions, declared}: NonceSource): string =>
  shortHash(JSON.stringify([revision, versions.at(-1)?.version ?? null, declared.nonce]));

interface NonceSource {
  readonly revision: string;
  readonly versions: readonly {readonly version: string}[];
  readonly declared: {readonly nonce: string | null};
}

/** What the names of a bucket's notifications that call the function begin with. */
const notificationPrefix = (fn: string): string => `thaw-${fn}-`;

/** The notification of a bucket that calls the function by a rule: another rule is another notification. */
export const notificationId = (fn: string, rule: string): string =>
  `${notificationPrefix(fn)}${shortHash(rule)}`;

/** Whether a notification that calls the function is one that thaw made. */
export const isNotificationId = (fn: string, id: string | undefined): boolean =>
  id?.startsWith(notificationPrefix(fn)) === true &&
  /^[\da-f]{10}$/.test(id.slice(notificationPrefix(fn).length));

/** What the keys of a function's archives begin with, in a bucket of the user's own. */
export const archivePrefix = (fn: string): string => `thaw/${fn}/`;

/** Where an archive lies there while Lambda takes it. Its name is its content. */
export const archiveKey = (fn: string, codeSha256: string): string =>
  `${archivePrefix(fn)}${Buffer.from(codeSha256, 'base64').toString('hex')}.zip`;

/** Whether a key there is that of an archive, and not of something of the user's own. */
export const isArchiveKey = (key: string): boolean => /\/[\da-f]{64}\.zip$/.test(key);

/** What the role needs to read from each kind of source. */
export const SOURCE_EXECUTION: {readonly [source: string]: string} = {
  sqs: 'service-role/AWSLambdaSQSQueueExecutionRole',
  kinesis: 'service-role/AWSLambdaKinesisExecutionRole',
  dynamodb: 'service-role/AWSLambdaDynamoDBExecutionRole',
};

/** A policy that AWS itself keeps. */
export const managedPolicyArn = (partition: string, name: string): string =>
  `arn:${partition}:iam::aws:policy/${name}`;

/** The tag under which an image is pushed: one for each content, so that repositories with immutable tags take it. */
export const imageTag = (digest: string): string => `thaw-${digest.replace(/^sha256:/, '').slice(0, 12)}`;

/** What a version says of itself that thaw published of a function it did not make. */
export const publishedOf = (image: string): string => `thaw ${image}`;

/** The image that such a version is of; null for any other version. */
export const imageIn = (description: string | undefined): string | null =>
  /^thaw (sha256:[\da-f]{64})$/.exec(description ?? '')?.[1] ?? null;
