import {createHash} from 'node:crypto';

/** What says, on everything that thaw makes, which function it was made for. */
export const OWNER_TAG = 'thaw:function';

/** The alias that requests go through. */
export const LIVE = 'live';

/** Variables that thaw itself adds to the environment of a function: the digest of the image, for evidence. */
export const IMAGE_VARIABLE = 'THAW_IMAGE';
/** The version that a forced cold start replaces: a value that no version had before. */
export const NONCE_VARIABLE = 'THAW_NONCE';
/** What Lambda takes as an event, so that the runtime refuses what never could arrive. */
export const OWN_VARIABLES: readonly string[] = [IMAGE_VARIABLE, NONCE_VARIABLE];

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

/** Repositories have lower-case names. */
export const repositoryName = (fn: string): string => `thaw/${fn.toLowerCase()}`;

export const logGroupName = (fn: string): string => `/aws/lambda/${fn}`;

/** A policy that AWS itself keeps. */
export const managedPolicyArn = (partition: string, name: string): string =>
  `arn:${partition}:iam::aws:policy/${name}`;

/** The tag under which an image is pushed: one for each content, so that repositories with immutable tags take it. */
export const imageTag = (digest: string): string => `thaw-${digest.replace(/^sha256:/, '').slice(0, 12)}`;
