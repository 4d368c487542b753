import type {FunctionConfiguration} from '@aws-sdk/client-lambda';
import {ThawError} from '../../../core/errors.ts';
import type {Aws} from '../calls/clients.ts';
import type {Asked} from '../calls/errors.ts';
import {SECRETS_VARIABLE} from '../names.ts';

/** Where a secret lies: `ssm:/path`, `secretsmanager:name`, or of a secret in JSON one member: `secretsmanager:name#member`. */
const REFERENCE = /^(ssm|secretsmanager):([^#]+)(?:#(.+))?$/;

/** The stores that secrets are taken from, by the prefix of a reference. */
export const SECRET_STORES: readonly string[] = ['ssm', 'secretsmanager'];

export const isReference = (source: string): boolean => REFERENCE.test(source);

/** The store of a reference, and what a policy calls what lies there; null if it is no reference. */
export function secretArn(
  source: string,
  {
    partition,
    region,
    account,
  }: {readonly partition: string; readonly region: string; readonly account: string},
): {readonly store: string; readonly arn: string} | null {
  const [, store, name = ''] = REFERENCE.exec(source) ?? [];
  if (store === undefined) return null;
  // Secrets Manager puts six characters of its own behind a name.
  if (name.startsWith('arn:')) return {store, arn: store === 'ssm' ? name : `${name}*`};
  const at = `${region}:${account}`;
  return store === 'ssm'
    ? {store, arn: `arn:${partition}:ssm:${at}:parameter/${name.replace(/^\//, '').replace(/:.*$/, '')}`}
    : {store, arn: `arn:${partition}:secretsmanager:${at}:secret:${name}-??????`};
}

/** Calls AWS: patiently where it is looked around, once where an op says itself what it tries again. */
export type Asking = <T>(asked: Asked, call: () => Promise<T>) => Promise<T>;

/**
 * Reads a secret's value. It goes nowhere but into the function's environment, or into a fingerprint.
 *
 * @throws ThawError SECRET_MISSING if there is none, PERMISSION_DENIED
 */
export async function readSecret(
  aws: Aws,
  source: string,
  ask: Asking,
  how: {readonly abortSignal: AbortSignal},
): Promise<string> {
  const [, store, name = '', member] = REFERENCE.exec(source) ?? [];
  const missing = (why: string): ThawError =>
    new ThawError('SECRET_MISSING', `${source}: ${why}`, {provider: 'aws', names: [source]});
  let text: string | undefined;
  if (store === 'ssm') {
    const ssm = await aws.ssm();
    const found = await ask({action: 'ssm:GetParameter', resource: name}, () =>
      ssm.getParameter({Name: name, WithDecryption: true}, how),
    );
    text = found.Parameter?.Value;
  } else {
    const secrets = await aws.secrets();
    const found = await ask({action: 'secretsmanager:GetSecretValue', resource: name}, () =>
      secrets.getSecretValue({SecretId: name}, how),
    );
    text = found.SecretString;
  }
  if (text === undefined) throw missing('there is no text');
  if (member === undefined) return text;
  const value = memberOf(text, member);
  if (value === null) throw missing(`it has no member ${member} that is text`);
  return value;
}

function memberOf(text: string, member: string): string | null {
  try {
    const value = (JSON.parse(text) as {readonly [key: string]: unknown} | null)?.[member];
    return typeof value === 'string' ? value : null;
  } catch {
    return null;
  }
}

/** Which of a function's variables thaw filled from where. */
export function referencesIn({Environment}: FunctionConfiguration): {readonly [name: string]: string} {
  try {
    const marked: unknown = JSON.parse(Environment?.Variables?.[SECRETS_VARIABLE] ?? '{}');
    return typeof marked === 'object' && marked !== null ? (marked as {[name: string]: string}) : {};
  } catch {
    return {};
  }
}
