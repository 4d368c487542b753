import {messageOf, ThawError, throwIfInterrupted} from '../../core/errors.ts';
import type {Platform} from '../../core/image.ts';
import type {Clock, ProgressFn} from '../../core/ports.ts';
import type {Credentials} from '../registry/credentials.ts';
import {parseReference, renderReference, type Reference} from '../registry/reference.ts';
import type {Base} from './base.ts';
import {inspectHostBase} from './host.ts';
import {openRegistryBase, recallRegistryBase} from './registry.ts';

/**
 * The public base: glibc, libstdc++, certificates, a user who is not root; no shell, no package manager. Its digest is
 * that of an index for several platforms.
 */
export const PUBLIC_BASE: Reference = parseReference(
  'gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f',
);

/** Which base the user wants. */
export type BaseWish =
  | {readonly kind: 'auto'}
  | {readonly kind: 'host'}
  | {readonly kind: 'registry'; readonly reference: Reference};

/**
 * Reads `--base`.
 *
 * @throws ThawError INPUT_INVALID for what is neither `auto`, `host` nor a reference
 */
export function parseBaseWish(text: string): BaseWish {
  if (text === 'auto' || text === 'host') return {kind: text};
  return {kind: 'registry', reference: parseReference(text)};
}

/** What choosing a base takes. */
export interface BaseChoice {
  readonly wish: BaseWish;
  readonly platform: Platform;
  /** What `auto` prefers. */
  readonly publicBase: Reference;
  readonly cacheDir: string;
  /** For the registry of a base that the user has named. */
  readonly credentials: Credentials | null;
  /** Whether http without TLS will do beyond this machine. */
  readonly allowHttp?: boolean;
  readonly clock: Clock;
  readonly progress: ProgressFn;
  readonly signal: AbortSignal;
}

/** A base, and the one line that says which it is and why. */
export interface ChosenBase {
  readonly base: Base;
  readonly why: string;
}

/**
 * Opens the base that is wanted. `auto` takes the public base from the cache, or pulls it; where that fails it takes
 * this machine's own files, and says so. It asks the registry once and not for long.
 *
 * @throws ThawError PLATFORM_UNSUPPORTED, IMAGE_INVALID, CREDENTIALS_MISSING, PERMISSION_DENIED, PROVIDER_REFUSED,
 * PROVIDER_UNREACHABLE, CONTENT_MISMATCH, DISK_FULL, INTERRUPTED
 */
export async function chooseBase(choice: BaseChoice): Promise<ChosenBase> {
  const {wish, platform} = choice;
  if (wish.kind === 'auto') return chooseAlone(choice);
  if (wish.kind === 'host') {
    return {base: await inspectHostBase(platform), why: 'this machine’s own files, as asked'};
  }
  const base = await openRegistryBase({...choice, reference: wish.reference});
  return {base, why: `${base.reference}${base.remembered ? ', from the cache' : ''}`};
}

async function chooseAlone(choice: BaseChoice): Promise<ChosenBase> {
  const {publicBase, platform, cacheDir, signal} = choice;
  const known = await recallRegistryBase(publicBase, platform, cacheDir);
  if (known !== null) return {base: known, why: `the public base ${known.reference}, from the cache`};
  let failure: ThawError;
  try {
    const base = await openRegistryBase({...choice, reference: publicBase, credentials: null, hasty: true});
    return {base, why: `the public base ${base.reference}`};
  } catch (error) {
    throwIfInterrupted(signal);
    if (!(error instanceof ThawError) || error.code === 'DISK_FULL') throw error;
    failure = error;
  }
  const name = renderReference({...publicBase, digest: null});
  try {
    const base = await inspectHostBase(platform);
    return {base, why: `this machine’s own files, because ${name} cannot be had: ${failure.message}`};
  } catch (error) {
    if (!(error instanceof ThawError)) throw error;
    throw new ThawError(
      failure.code,
      `no base for an image of ${platform}: ${name} cannot be had (${failure.message}), and ${messageOf(error)}`,
      {...failure.facts, platform, reference: name, wanted: 'base'},
      {cause: failure},
    );
  }
}
