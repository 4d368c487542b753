import {X509Certificate} from 'node:crypto';
import {readdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import * as tls from 'node:tls';
import {messageOf, systemCode, ThawError} from '../../core/errors.ts';
import type {Surroundings} from './surroundings.ts';

/** Certificates beyond what Node itself trusts, in PEM. */
export interface Trust {
  readonly authorities: readonly string[];
  /** What thaw shows of itself where a registry asks for it. */
  readonly identities: readonly {readonly certificate: string; readonly key: string}[];
}

/**
 * Reads which certificates count for a registry beside those that Node trusts: the file that SSL_CERT_FILE names, and
 * what lies in the folders in which Docker and Podman look for it: `*.crt` are authorities, `NAME.cert` with `NAME.key`
 * prove who one is.
 *
 * @param host with its port, where it is not the usual one
 * @throws ThawError CREDENTIALS_MISSING if a file is there and cannot be read
 */
export async function readTrust(
  host: string,
  surroundings: Surroundings,
  platform: NodeJS.Platform = process.platform,
): Promise<Trust> {
  const authorities: string[] = [];
  const identities: Trust['identities'][number][] = [];
  const {SSL_CERT_FILE, NODE_EXTRA_CA_CERTS} = surroundings.env;
  // Node has read the other one, and both of them often name the same file.
  if (SSL_CERT_FILE && SSL_CERT_FILE !== NODE_EXTRA_CA_CERTS) authorities.push(await readPem(SSL_CERT_FILE));
  for (const folder of listFolders(host, surroundings, platform)) {
    const names = (await listNames(folder)).toSorted();
    for (const name of names) {
      if (name.endsWith('.crt')) authorities.push(await readPem(join(folder, name)));
      const key = name.replace(/\.cert$/, '.key');
      if (key === name || !names.includes(key)) continue;
      const [certificate, keyText] = [await readPem(join(folder, name)), await readPem(join(folder, key))];
      identities.push({certificate, key: keyText});
    }
  }
  return {authorities: onlyNew(authorities), identities};
}

function listFolders(
  host: string,
  {env, homeDir}: Surroundings,
  platform: NodeJS.Platform,
): readonly string[] {
  // No folder may have a colon in its name there.
  const [name, system] =
    platform === 'win32'
      ? [host.replace(':', ''), [join(env['ProgramData'] ?? 'C:\\ProgramData', 'docker')]]
      : [host, ['/etc/docker', '/etc/containers']];
  const config = env['XDG_CONFIG_HOME'] || join(homeDir, '.config');
  const own = [join(homeDir, '.docker'), join(config, 'docker'), join(config, 'containers')];
  return [...system, ...own].map((folder) => join(folder, 'certs.d', name));
}

async function listNames(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return [];
    throw unusable(folder, error);
  }
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw unusable(file, error);
  }
}

function unusable(path: string, error: unknown): ThawError {
  const reason = systemCode(error) ?? messageOf(error);
  return new ThawError('CREDENTIALS_MISSING', `${path}, for certificates, cannot be read (${reason})`, {
    path,
  });
}

const PEM = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g;

/** A system's whole bundle is mostly what Node trusts anyway, and each certificate costs time. */
function onlyNew(texts: readonly string[]): readonly string[] {
  const known = new Set(tls.rootCertificates.map((each) => each.trim()));
  const found = texts.flatMap((text) => text.replaceAll('\r', '').match(PEM) ?? []);
  return [...new Set(found)].filter((each) => !known.has(each));
}

/**
 * Makes of it what TLS connections take; null if there is nothing that Node would not do by itself.
 *
 * @throws ThawError CREDENTIALS_MISSING if a certificate makes no sense
 */
export function secureContext({authorities, identities}: Trust, host: string): tls.SecureContext | null {
  if (authorities.length === 0 && identities.length === 0) return null;
  try {
    // A context passes over what makes no sense.
    authorities.forEach((authority) => new X509Certificate(authority).ca);
    return tls.createSecureContext({
      ...(authorities.length > 0 && {ca: [...trustedAnyway(), ...authorities]}),
      ...(identities.length > 0 && {
        cert: identities.map(({certificate}) => certificate),
        key: identities.map(({key}) => key),
      }),
    });
  } catch (error) {
    throw new ThawError(
      'CREDENTIALS_MISSING',
      `the certificates that are kept for ${host} cannot be used: ${systemCode(error) ?? 'they make no sense'}`,
      {host},
    );
  }
}

/** Naming authorities of one's own replaces these. */
function trustedAnyway(): readonly string[] {
  // Newer than the oldest Node that thaw runs on; older ones keep to themselves what NODE_EXTRA_CA_CERTS holds.
  const {getCACertificates} = tls as {getCACertificates?: (type: 'default') => string[]};
  return getCACertificates?.('default') ?? tls.rootCertificates;
}
