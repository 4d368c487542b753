import {createHash, createHmac, randomBytes} from 'node:crypto';
import {canonicalJson} from './json.ts';

/** A content digest as the OCI specifications write it: `sha256:` and 64 hex digits. */
export type Digest = `sha256:${string}`;

/** The digest of some bytes, or of a string's UTF-8 bytes. */
export function digestOf(content: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** The digest of a JSON value: of its canonical text, so that key order does not matter. */
export function digestOfJson(value: unknown): Digest {
  return digestOf(canonicalJson(value));
}

/** The first 12 hex digits of a digest, for people. */
export function shortDigest(digest: string): string {
  return digest.replace(/^sha256:/, '').slice(0, 12);
}

/** Stands for a value that must not be shown: equal values give equal fingerprints under one key. */
export type Fingerprint = `hmac:${string}`;

/** Turns a value into its fingerprint under a key that the caller does not see. */
export type FingerprintFn = (value: string) => Fingerprint;

/**
 * Makes a fingerprint function. Its key is random by default and dies with the process, so a fingerprint in a
 * stored plan tells nobody which value it stands for.
 */
export function fingerprintWith(key: Uint8Array = randomBytes(32)): FingerprintFn {
  return (value) => `hmac:${createHmac('sha256', key).update(value).digest('hex').slice(0, 16)}`;
}
