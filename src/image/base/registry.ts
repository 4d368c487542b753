import {chmod, readFile} from 'node:fs/promises';
import {ThawError} from '../../core/errors.ts';
import type {Layer, Platform} from '../../core/image.ts';
import {blobPath} from '../blobs.ts';
import {pullImage, type Pulled, type PullInput} from '../registry/pull.ts';
import {renderReference, type Reference} from '../registry/reference.ts';
import type {BaseContents} from './contents.ts';
import {inspectLayers, type BasePython} from './inspect.ts';
import type {Refuse} from './layer-format.ts';
import {recallBase, rememberBase, type KnownBase} from './remembered.ts';

/** An image from a registry, in the cache and found fit to stand on. */
export interface RegistryBase {
  readonly kind: 'registry';
  readonly platform: Platform;
  /** `registry/repository@sha256:…`, of the one image for the platform. */
  readonly reference: string;
  /** Whether it was in the cache, so that no registry was asked. */
  readonly remembered: boolean;
  /** They become the first layers of the image. */
  readonly layers: readonly Layer[];
  /** The environment that it declares. */
  readonly env: {readonly [name: string]: string};
  /** The file with certificates, absolute; null if there is none. */
  readonly certificates: string | null;
  readonly pythons: readonly BasePython[];
  readonly contents: BaseContents;
}

/**
 * Opens a base by its reference: from the cache if it is asked for by digest and known, else pulled and inspected.
 *
 * @throws ThawError IMAGE_INVALID if it is no base for Node and ONNX Runtime (musl, an old glibc, a library that is
 * missing, layers that lie), PLATFORM_UNSUPPORTED, and what pulling throws
 */
export async function openRegistryBase(input: PullInput): Promise<RegistryBase> {
  const {reference, platform, cacheDir} = input;
  const known = await recallRegistryBase(reference, platform, cacheDir);
  if (known !== null) return known;
  const pulled = await pullImage(input);
  const found = (await recallBase(pulled.digest, platform, cacheDir)) ?? (await inspectPulled(pulled, input));
  const asked = [pulled.digest, ...(reference.digest === null ? [] : [reference.digest])];
  const {config, layers} = pulled.manifest;
  const blobs = [pulled.digest, config.digest, ...layers.map(({digest}) => digest)];
  await rememberBase(found, asked, blobs, platform, cacheDir);
  return baseOf(reference, platform, found, false);
}

/** A base from the cache alone; null if it is asked for by tag, which only its registry can resolve, or not known. */
export async function recallRegistryBase(
  reference: Reference,
  platform: Platform,
  cacheDir: string,
): Promise<RegistryBase | null> {
  if (reference.digest === null) return null;
  const known = await recallBase(reference.digest, platform, cacheDir);
  return known && baseOf(reference, platform, known, true);
}

function baseOf(
  reference: Reference,
  platform: Platform,
  {digest, ...known}: KnownBase,
  remembered: boolean,
): RegistryBase {
  const rendered = renderReference({...reference, tag: null, digest});
  return {kind: 'registry', platform, reference: rendered, remembered, ...known};
}

async function inspectPulled(
  {reference, digest, manifest}: Pulled,
  {platform, cacheDir, signal}: PullInput,
): Promise<KnownBase> {
  const refuse: Refuse = (what) =>
    new ThawError('IMAGE_INVALID', `${reference} cannot be used as a base: ${what}`, {
      reference,
      what,
      wanted: 'base',
    });
  const config = parseBaseConfig(await readFile(blobPath(cacheDir, manifest.config.digest), 'utf8'), refuse);
  const found = await inspectLayers(manifest.layers, config.diffIds, platform, {cacheDir, refuse, signal});
  // Layouts may share the files by hard link, so nobody shall write into them. Windows would then not delete them.
  if (process.platform !== 'win32') {
    for (const layer of found.layers) await chmod(blobPath(cacheDir, layer.digest), 0o444);
  }
  return {...found, digest, env: config.env};
}

/** Names that the platform's contract with the runtime uses itself. */
const RESERVED = /^(?:PORT|THAW_.*)$/;

/** Reads what thaw takes over from a base's configuration: the environment and the digests of its layers. */
function parseBaseConfig(
  text: string,
  refuse: Refuse,
): {readonly env: {readonly [name: string]: string}; readonly diffIds: readonly unknown[]} {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw refuse('its configuration is not JSON');
  }
  const {config, rootfs} = (document ?? {}) as {
    config?: {Env?: unknown} | null;
    rootfs?: {diff_ids?: unknown} | null;
  };
  const diffIds: unknown = rootfs?.diff_ids;
  if (!Array.isArray(diffIds)) throw refuse('its configuration does not list its layers');
  const declared: readonly unknown[] = Array.isArray(config?.Env) ? config.Env : [];
  const env = declared.flatMap((entry) => {
    const [, name, value] = (typeof entry === 'string' && /^([^=\0]+)=([^\0]*)$/s.exec(entry)) || [];
    return name === undefined || value === undefined || RESERVED.test(name) ? [] : [[name, value] as const];
  });
  return {env: Object.fromEntries(env), diffIds: diffIds as readonly unknown[]};
}
