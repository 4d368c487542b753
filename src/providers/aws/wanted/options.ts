import {ThawError} from '../../../core/errors.ts';
import type {Json, JsonObject} from '../../../core/json.ts';
import {parseMemory} from '../../../core/units.ts';

/** Where in a VPC a function has its network interfaces. */
export type Vpc = {readonly subnets: readonly string[]; readonly securityGroups: readonly string[]};

/** The section `providers.aws` of `thaw.yaml`, complete. */
export type AwsOptions = {
  /** Null: the one that the environment or the profile names. */
  readonly region: string | null;
  readonly profile: string | null;
  /** The ARN of an execution role of the user's own; null: thaw makes one. */
  readonly role: string | null;
  /** The ARN of a policy that bounds the role that thaw makes. */
  readonly permissionsBoundary: string | null;
  /** The name of an ECR repository of the user's own; null: thaw makes one. */
  readonly repository: string | null;
  readonly artifact: 'image' | 'zip';
  /** A bucket of the user's own, through which archives go that are too large for a request. */
  readonly bucket: string | null;
  /** Whether a function of that name that thaw did not make is given new code, and nothing else. */
  readonly adopt: boolean;
  /** Versions that are kept to roll back to, beside the live one; null: all. */
  readonly keep: number | null;
  /** Of `/tmp`. */
  readonly ephemeralStorageMb: number;
  readonly vpc: Vpc | null;
  /** The ARN of the key that encrypts the environment; null: Lambda's own. */
  readonly kmsKey: string | null;
  /** Null: for ever. */
  readonly logRetentionDays: number | null;
  readonly tags: {readonly [key: string]: string};
  /** How thaw itself calls the function: through its URL, or through Lambda's own API. */
  readonly invoke: 'url' | 'direct';
  /** Instances go on from a snapshot of one that has started already. */
  readonly snapStart: boolean;
};

/** What CloudWatch Logs takes. */
const RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];
const EPHEMERAL_MB = {min: 512, max: 10_240};
const TAGS_MAX = 45;
const KEEP = 5;

/** What the section may hold, as it is written in `thaw.yaml`. */
export const optionsSchema: JsonObject = {
  type: 'object',
  additionalProperties: false,
  properties: {
    region: {
      type: ['string', 'null'],
      default: null,
      examples: ['eu-central-1'],
      description: 'The region; null: the one that AWS_REGION or the profile names.',
    },
    profile: {
      type: ['string', 'null'],
      default: null,
      examples: ['staging'],
      description: 'The profile of the AWS configuration files; null: the one that AWS_PROFILE names.',
    },
    role: {
      type: ['string', 'null'],
      default: null,
      examples: ['arn:aws:iam::123456789012:role/functions'],
      description: 'The ARN of an execution role of your own; null: thaw makes one.',
    },
    permissionsBoundary: {
      type: ['string', 'null'],
      default: null,
      examples: ['arn:aws:iam::123456789012:policy/boundary'],
      description: 'The ARN of a policy that bounds the role that thaw makes.',
    },
    repository: {
      type: ['string', 'null'],
      default: null,
      examples: ['team/models'],
      description:
        'The name of an ECR repository of your own, in the same account and region; null: thaw makes one.',
    },
    artifact: {
      enum: ['image', 'zip'],
      default: 'image',
      description:
        'What is deployed: the container image, or what is in it as a zip archive, which Lambda runs on a Node or Python of its own.',
    },
    bucket: {
      type: ['string', 'null'],
      default: null,
      examples: ['team-artifacts'],
      description:
        'The name of a bucket of your own, in the same region, through which zip archives go that are too large for a request.',
    },
    adopt: {
      type: 'boolean',
      default: false,
      description:
        'Give a function of that name that thaw did not make new code, and change and delete nothing else of it.',
    },
    keep: {
      type: ['integer', 'null'],
      minimum: 1,
      default: KEEP,
      examples: [10],
      description:
        'How many versions are kept to roll back to, beside the live one, with their images; null: all.',
    },
    ephemeralStorage: {
      type: 'string',
      default: '512Mi',
      examples: ['512Mi', '2Gi'],
      description: 'The size of /tmp: 512Mi to 10Gi.',
    },
    vpc: {
      type: ['object', 'null'],
      default: null,
      additionalProperties: false,
      required: ['subnets', 'securityGroups'],
      properties: {
        subnets: {type: 'array', items: {type: 'string'}, minItems: 1},
        securityGroups: {type: 'array', items: {type: 'string'}, minItems: 1},
      },
      examples: [{subnets: ['subnet-0a1b2c3d4e5f60718'], securityGroups: ['sg-0a1b2c3d4e5f60718']}],
      description: 'The VPC that the function reaches into; null: none.',
    },
    kmsKey: {
      type: ['string', 'null'],
      default: null,
      examples: ['arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000'],
      description: 'The ARN of the key that encrypts the environment; null: the key of Lambda itself.',
    },
    logRetentionDays: {
      enum: [...RETENTION_DAYS, null],
      default: 30,
      examples: [7],
      description: 'How long the log is kept, in days; null: for ever.',
    },
    tags: {
      type: 'object',
      additionalProperties: {type: 'string'},
      default: {},
      description: 'Tags for everything that thaw makes, beside its own.',
    },
    invoke: {
      enum: ['url', 'direct'],
      default: 'url',
      description:
        "How thaw itself calls the function: through its URL, or through Lambda's own API. Without an HTTP trigger there is no URL.",
    },
    snapStart: {
      type: 'boolean',
      default: false,
      description: 'Instances go on from a snapshot of one that has started already. Of images alone.',
    },
  },
};

const ARN = {
  role: /^arn:aws[\w-]*:iam::\d{12}:role\/.+$/,
  permissionsBoundary: /^arn:aws[\w-]*:iam::(\d{12}|aws):policy\/.+$/,
  kmsKey: /^arn:aws[\w-]*:kms:[a-z\d-]+:\d{12}:(key|alias)\/.+$/,
} as const;
const REGION = /^[a-z]{2}(-[a-z]+)+-\d$/;
const REPOSITORY = /^(?=.{2,256}$)[a-z\d]+((\.|_|__|-+)[a-z\d]+)*(\/[a-z\d]+((\.|_|__|-+)[a-z\d]+)*)*$/;
const BUCKET = /^[a-z\d][a-z\d.-]{1,61}[a-z\d]$/;
const SUBNET = /^subnet-[\da-z]+$/;
const SECURITY_GROUP = /^sg-[\da-z]+$/;
const TAG_KEY = /^(?!aws:)(?!thaw:)[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u;
const TAG_VALUE = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u;

/**
 * Completes the section of `thaw.yaml`.
 *
 * @throws ThawError CONFIG_INVALID with every mistake in `facts.problems`, each with its path in the section
 */
export function parseOptions(raw: Json): AwsOptions {
  const problems: {path: string[]; message: string; unknownKey?: true; knownKeys?: string[]}[] = [];
  const section: JsonObject = isObject(raw) ? raw : {};
  if (raw !== null && raw !== undefined && !isObject(raw)) {
    problems.push({path: [], message: `must be a map, not ${JSON.stringify(raw)}`});
  }
  const properties = optionsSchema['properties'] as {readonly [name: string]: JsonObject};
  const knownKeys = Object.keys(properties);
  for (const key of Object.keys(section).filter((key) => !knownKeys.includes(key))) {
    problems.push({path: [key], message: 'unknown key', unknownKey: true, knownKeys});
  }
  const wrong = (key: string, what: string, value: Json, ...rest: string[]): void => {
    problems.push({path: [key, ...rest], message: `must be ${what}, not ${JSON.stringify(value)}`});
  };
  const valueOf = (key: string): Json => section[key] ?? properties[key]?.['default'] ?? null;
  const text = (key: string, pattern: RegExp, what: string): string | null => {
    const value = section[key] ?? null;
    if (value === null || (typeof value === 'string' && pattern.test(value))) return value;
    wrong(key, `${what} or null`, value);
    return null;
  };

  const region = text('region', REGION, 'a region such as eu-central-1');
  const profile = text('profile', /^\S.*$/, 'the name of a profile');
  const role = text('role', ARN.role, "a role's ARN");
  const permissionsBoundary = text('permissionsBoundary', ARN.permissionsBoundary, "a policy's ARN");
  const repository = text('repository', REPOSITORY, 'the name of an ECR repository');
  const bucket = text('bucket', BUCKET, 'the name of a bucket');
  const kmsKey = text('kmsKey', ARN.kmsKey, "a key's ARN");
  if (role !== null && permissionsBoundary !== null) {
    const message = 'bounds the role that thaw makes, and role names one of your own';
    problems.push({path: ['permissionsBoundary'], message});
  }

  const artifact = valueOf('artifact');
  if (artifact !== 'image' && artifact !== 'zip') wrong('artifact', 'image or zip', artifact);
  const adopt = valueOf('adopt');
  if (typeof adopt !== 'boolean') wrong('adopt', 'true or false', adopt);
  const keep = section['keep'] === null ? null : valueOf('keep');
  if (keep !== null && !(typeof keep === 'number' && Number.isInteger(keep) && keep >= 1)) {
    wrong('keep', 'null or a whole number from 1', keep);
  }
  const storage = valueOf('ephemeralStorage');
  const ephemeralStorageMb = typeof storage === 'string' ? parseMemory(storage) : undefined;
  if (
    ephemeralStorageMb === undefined ||
    ephemeralStorageMb < EPHEMERAL_MB.min ||
    ephemeralStorageMb > EPHEMERAL_MB.max
  ) {
    wrong('ephemeralStorage', '512Mi to 10Gi', storage);
  }
  const vpc = parseVpc(section['vpc'] ?? null, wrong);
  const retention = section['logRetentionDays'] === null ? null : valueOf('logRetentionDays');
  if (retention !== null && !RETENTION_DAYS.some((days) => days === retention)) {
    wrong('logRetentionDays', `null or one of ${RETENTION_DAYS.join(', ')}`, retention);
  }
  const tags = valueOf('tags');
  if (!isObject(tags)) wrong('tags', 'a map', tags);
  else {
    if (Object.keys(tags).length > TAGS_MAX) {
      problems.push({path: ['tags'], message: `must be at most ${TAGS_MAX}`});
    }
    for (const [key, value] of Object.entries(tags)) {
      if (!TAG_KEY.test(key)) {
        const message = 'is no key of a tag: 1 to 128 letters, digits, spaces and _ . : / = + - @';
        problems.push({path: ['tags', key], message});
      } else if (typeof value !== 'string' || !TAG_VALUE.test(value)) {
        wrong('tags', 'text of at most 256 letters, digits, spaces and _ . : / = + - @', value, key);
      }
    }
  }
  const invoke = valueOf('invoke');
  if (invoke !== 'url' && invoke !== 'direct') wrong('invoke', 'url or direct', invoke);

  const snapStart = valueOf('snapStart');
  if (typeof snapStart !== 'boolean') wrong('snapStart', 'true or false', snapStart);
  else if (snapStart && (ephemeralStorageMb ?? 0) > EPHEMERAL_MB.min) {
    wrong('ephemeralStorage', '512Mi where snapStart is true', storage);
  }
  if (snapStart === true && artifact === 'zip') {
    wrong('snapStart', 'false where artifact is zip', snapStart);
  }

  if (problems.length > 0) {
    const all = problems.map(({path, message}) => [...path, message].join(' ')).join('; ');
    throw new ThawError('CONFIG_INVALID', `providers.aws: ${all}`, {problems});
  }
  return {
    region,
    profile,
    role,
    permissionsBoundary,
    repository,
    artifact: artifact as AwsOptions['artifact'],
    bucket,
    adopt: adopt as boolean,
    keep: keep as number | null,
    ephemeralStorageMb: ephemeralStorageMb as number,
    vpc,
    kmsKey,
    logRetentionDays: retention as number | null,
    tags: tags as AwsOptions['tags'],
    invoke: invoke as AwsOptions['invoke'],
    snapStart: snapStart as boolean,
  };
}

function parseVpc(
  value: Json,
  wrong: (key: string, what: string, value: Json, ...rest: string[]) => void,
): Vpc | null {
  if (value === null) return null;
  if (!isObject(value)) {
    wrong('vpc', 'a map with subnets and securityGroups, or null', value);
    return null;
  }
  const list = (key: string, pattern: RegExp, example: string): readonly string[] => {
    const members = value[key] ?? null;
    const fits =
      Array.isArray(members) &&
      members.length > 0 &&
      members.every((member) => typeof member === 'string' && pattern.test(member));
    if (!fits) wrong('vpc', `a list of names such as ${example}`, members, key);
    return fits ? [...(members as string[])].sort() : [];
  };
  for (const key of Object.keys(value).filter((key) => key !== 'subnets' && key !== 'securityGroups')) {
    wrong('vpc', 'subnets or securityGroups', key, key);
  }
  return {
    subnets: list('subnets', SUBNET, 'subnet-0a1b2c3d'),
    securityGroups: list('securityGroups', SECURITY_GROUP, 'sg-0a1b2c3d'),
  };
}

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
