import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {systemCode, ThawError, throwIfInterrupted} from '../../core/errors.ts';
import {credentialNames, type Reference} from './reference.ts';
import type {Surroundings} from './surroundings.ts';

/** How to prove to a registry who one is. */
export type Credentials =
  | {readonly kind: 'password'; readonly username: string; readonly password: string}
  /** A long-lived token that the token server changes into short-lived ones. */
  | {readonly kind: 'identity'; readonly token: string}
  /** A token for the registry itself. */
  | {readonly kind: 'bearer'; readonly token: string};

interface AuthEntry {
  readonly auth?: unknown;
  readonly username?: unknown;
  readonly password?: unknown;
  readonly identitytoken?: unknown;
  readonly registrytoken?: unknown;
}

/** The part of Docker's configuration that is about credentials. Podman's file is of the same form. */
interface AuthFile {
  readonly auths?: {readonly [name: string]: AuthEntry};
  readonly credHelpers?: {readonly [name: string]: unknown};
  readonly credsStore?: unknown;
}

const HELPER_TIMEOUT_MS = 60_000;

/**
 * Finds the credentials that `docker login` or `podman login` left for a registry: in the file that
 * REGISTRY_AUTH_FILE names, in Docker's configuration, and in Podman's two files, in this order.
 *
 * @returns null if there are none
 * @throws ThawError CREDENTIALS_MISSING if a file or a credential helper is there and of no use, INTERRUPTED
 */
export async function readCredentials(
  reference: Pick<Reference, 'registry' | 'repository'>,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<Credentials | null> {
  for (const file of listAuthFiles(surroundings)) {
    const auths = await readAuthFile(file);
    const found = auths && (await findCredentials(auths, file, reference, surroundings.env, signal));
    if (found) return found;
  }
  return null;
}

function listAuthFiles({env, homeDir}: Surroundings): readonly string[] {
  const named = env['REGISTRY_AUTH_FILE'];
  if (named) return [named];
  const runtimeDir = env['XDG_RUNTIME_DIR'];
  return [
    join(env['DOCKER_CONFIG'] || join(homeDir, '.docker'), 'config.json'),
    ...(runtimeDir ? [join(runtimeDir, 'containers', 'auth.json')] : []),
    join(env['XDG_CONFIG_HOME'] || join(homeDir, '.config'), 'containers', 'auth.json'),
  ];
}

async function readAuthFile(file: string): Promise<AuthFile | null> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const code = systemCode(error) ?? '';
    if (['ENOENT', 'ENOTDIR'].includes(code)) return null;
    throw unusable(`${file} cannot be read (${code})`, {file});
  }
  try {
    const content = JSON.parse(text) as unknown;
    if (typeof content === 'object' && content !== null) return content;
  } catch {
    // What the parser says quotes the file, and the file holds passwords.
  }
  throw unusable(`${file} is not a JSON object`, {file});
}

async function findCredentials(
  {auths, credHelpers, credsStore}: AuthFile,
  file: string,
  reference: Pick<Reference, 'registry' | 'repository'>,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<Credentials | null> {
  const names = credentialNames(reference.registry);
  const helper = names.map((name) => credHelpers?.[name]).find((each) => each !== undefined) ?? credsStore;
  if (typeof helper === 'string' && helper !== '') {
    const found = await askHelper(helper, names[0] ?? reference.registry, file, env, signal);
    if (found) return found;
  }
  const entry = findEntry(auths ?? {}, names, reference.repository);
  return entry ? parseEntry(entry, reference.registry, file) : null;
}

/** Podman keeps credentials also for a part of a registry; the longest name that fits is the one. */
function findEntry(
  auths: {readonly [name: string]: AuthEntry},
  names: readonly string[],
  repository: string,
): AuthEntry | undefined {
  const plainNames = new Set(names.map(withoutSchemeAndVersion));
  const fitting = Object.entries(auths)
    .map(([key, entry]) => ({name: withoutSchemeAndVersion(key), entry}))
    .filter(({name}) =>
      [...plainNames].some(
        (plain) => `${plain}/${repository}/`.startsWith(`${name}/`) && name.startsWith(plain),
      ),
    )
    .sort((a, b) => b.name.length - a.name.length);
  return fitting[0]?.entry;
}

function withoutSchemeAndVersion(name: string): string {
  return name.replace(/^https?:\/\//, '').replace(/(\/v[12])?\/*$/, '');
}

function parseEntry(entry: AuthEntry, registry: string, file: string): Credentials | null {
  const {auth, username, password, identitytoken, registrytoken} = entry;
  if (isText(identitytoken)) return {kind: 'identity', token: identitytoken};
  if (isText(registrytoken)) return {kind: 'bearer', token: registrytoken};
  if (isText(auth)) {
    const decoded = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
    const colon = decoded.indexOf(':');
    if (colon < 1)
      throw unusable(`the auth of ${registry} in ${file} is not a name and a password`, {file, registry});
    return {kind: 'password', username: decoded.slice(0, colon), password: decoded.slice(colon + 1)};
  }
  if (isText(username) && isText(password)) return {kind: 'password', username, password};
  // An empty entry says that a credential helper has them.
  return null;
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** Runs `docker-credential-NAME get`. Nothing of what it prints may reach an error: it may hold the password. */
async function askHelper(
  helper: string,
  server: string,
  file: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<Credentials | null> {
  if (!/^[\w.-]+$/.test(helper))
    throw unusable(`${file} names a credential helper that has no legal name`, {file});
  const program = `docker-credential-${helper}`;
  const facts = {file, program, registry: server};
  const {execa} = await import('execa');
  const result = await execa(program, ['get'], {
    input: server,
    env,
    extendEnv: false,
    reject: false,
    timeout: HELPER_TIMEOUT_MS,
    cancelSignal: signal,
  });
  throwIfInterrupted(signal);
  if (result.failed) {
    if (/credentials not found/i.test(result.stdout)) return null;
    const how =
      result.code === 'ENOENT'
        ? 'was not found'
        : result.timedOut
          ? `did not answer in ${HELPER_TIMEOUT_MS / 1000} seconds`
          : `failed with exit code ${result.exitCode ?? 'unknown'}`;
    throw unusable(`${program}, which ${file} names for ${server}, ${how}`, facts);
  }
  const {username, secret} = parseHelperAnswer(result.stdout);
  if (!isText(secret)) throw unusable(`${program} gave no credentials for ${server}`, facts);
  return username === '<token>'
    ? {kind: 'identity', token: secret}
    : {kind: 'password', username: isText(username) ? username : '', password: secret};
}

function parseHelperAnswer(text: string): {readonly username?: unknown; readonly secret?: unknown} {
  try {
    const {Username, Secret} = JSON.parse(text) as {Username?: unknown; Secret?: unknown};
    return {username: Username, secret: Secret};
  } catch {
    return {};
  }
}

function unusable(message: string, facts: {readonly [name: string]: string}): ThawError {
  return new ThawError('CREDENTIALS_MISSING', message, facts);
}
