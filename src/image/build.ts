import {mkdir} from 'node:fs/promises';
import type {Digest} from '../core/digest.ts';
import {writeFailure} from '../core/disk.ts';
import {throwIfInterrupted} from '../core/errors.ts';
import type {Image, Layer, LayerRole, Platform} from '../core/image.ts';
import {canonicalJson} from '../core/json.ts';
import type {ServeManifest} from '../core/model.ts';
import type {FetchPackage, ImageOnDisk} from '../core/ports.ts';
import {NONROOT} from './base/abi.ts';
import {CERTIFICATES, planBase, type HostBase} from './base/host.ts';
import {fileEntry, type Entry} from './entries.ts';
import type {Compression} from './gzip.ts';
import {buildLayer, sweepCache, type LayerPlan} from './layer.ts';
import {writeLayout} from './layout.ts';
import {renderConfig, renderManifest, type ImageConfig} from './manifest.ts';
import {chooseModelCompression, planModel, type ModelFile} from './model-layer.ts';
import {fetchNode, planRuntime} from './runtime-layer.ts';

/** What an image is made from, and where. */
export interface BuildInput {
  readonly name: string;
  readonly platform: Platform;
  readonly base: HostBase;
  readonly model: readonly ModelFile[];
  readonly serve: ServeManifest;
  /** The bundled handler; null if the project has none. */
  readonly handler: Uint8Array | null;
  /** Of these the image only keeps record, so that a later command can tell whether it is stale. */
  readonly sources: Image['sources'];
  readonly recipe: Digest;
  readonly fetchPackage: FetchPackage;
  /** ONNX Runtime for the image's platform. */
  readonly onnxruntimeDir: string;
  /** The folder of the installed package, with `dist/` in it. */
  readonly packageDir: string;
  /** Layers are kept here, to be used again. */
  readonly cacheDir: string;
  /** The OCI image layout to write: `.thaw/image`. */
  readonly layoutDir: string;
  /** The time that the image and every file in it bear; 0 unless the user set SOURCE_DATE_EPOCH. */
  readonly epochSeconds: number;
  readonly progress: BuildProgress;
  readonly signal: AbortSignal;
}

/** What a build is busy with: bringing Node, or one of the layers. */
export type BuildStage = 'node' | LayerRole;

/** Bytes done of how many, in one stage; total is null while it is not known. */
type BuildProgress = (stage: BuildStage, doneBytes: number, totalBytes: number | null) => void;

/** An image before any of it is written. */
export interface ImagePlan {
  readonly config: ImageConfig;
  /** In the order in which they are stacked. */
  readonly layers: readonly LayerPlan[];
}

/** What of an image was decided or found before it can be planned. */
export interface ImageParts {
  readonly base: readonly Entry[];
  readonly runtime: readonly Entry[];
  readonly model: readonly Entry[];
  readonly modelCompression: Compression;
  readonly handler: Uint8Array | null;
  readonly serve: ServeManifest;
}

/**
 * Builds an image into an OCI image layout. The same parts give the same digest, in whichever folder and at
 * whatever time.
 *
 * @throws ThawError PLATFORM_UNSUPPORTED, RUNTIME_UNAVAILABLE, INPUT_INVALID, IMAGE_STALE if a file changes
 * meanwhile, FILE_EXISTS, DISK_FULL, PERMISSION_DENIED, INTERRUPTED, and what fetching Node throws
 */
export async function buildImage(input: BuildInput): Promise<ImageOnDisk> {
  const {cacheDir, epochSeconds, progress, signal} = input;
  throwIfInterrupted(signal);
  const plan = planImage(input, await gatherParts(input));

  await prepareCache(cacheDir);
  const layers: Layer[] = [];
  for (const layerPlan of plan.layers) {
    const onBytes = (done: number, total: number | null): void => progress(layerPlan.role, done, total);
    layers.push(await buildLayer(layerPlan, cacheDir, epochSeconds, onBytes, signal));
  }
  const config = renderConfig(plan.config, layers);
  const manifest = renderManifest(config.descriptor, layers);
  const image: Image = {
    schema: 'thaw.image/1',
    function: input.name,
    platform: input.platform,
    digest: manifest.descriptor.digest,
    model: input.serve.model,
    sources: input.sources,
    recipe: input.recipe,
    layers,
  };
  return writeLayout(image, [manifest, config], cacheDir, input.layoutDir, signal);
}

async function gatherParts(input: BuildInput): Promise<ImageParts> {
  const {platform, progress, signal} = input;
  const onBytes = (done: number, total: number | null): void => progress('node', done, total);
  const node = await fetchNode(platform, input.fetchPackage, onBytes, signal);
  return {
    base: planBase(input.base),
    runtime: await planRuntime(node, input.packageDir, input.onnxruntimeDir),
    model: planModel(input.model),
    modelCompression: await chooseModelCompression(input.model),
    handler: input.handler,
    serve: input.serve,
  };
}

/** Stacks the layers, those that change rarely first, and says how the image is started. */
export function planImage(
  {name, platform, epochSeconds}: Pick<BuildInput, 'name' | 'platform' | 'epochSeconds'>,
  parts: ImageParts,
): ImagePlan {
  const hasCertificates = parts.base.some(({path}) => path === CERTIFICATES);
  return {
    config: {
      platform,
      entrypoint: ['/opt/thaw/bin/node', '/opt/thaw/runtime/server.cjs'],
      env: {
        PATH: '/opt/thaw/bin:/usr/local/bin:/usr/bin:/bin',
        // Before ONNX Runtime is loaded, or it keeps a device id and calls home.
        ORT_DISABLE_TELEMETRY: '1',
        ...(hasCertificates ? {SSL_CERT_FILE: `/${CERTIFICATES}`} : {}),
      },
      user: `${NONROOT}:${NONROOT}`,
      workingDir: '/opt/thaw',
      labels: {
        'org.opencontainers.image.title': name,
        'thaw.function': name,
        'thaw.model': parts.serve.model,
      },
      epochSeconds,
    },
    layers: [
      {role: 'base', entries: parts.base, compression: 6},
      // The largest layer, and the same for every function: compressed once, then found in the cache.
      {role: 'runtime', entries: parts.runtime, compression: 9},
      {role: 'model', entries: parts.model, compression: parts.modelCompression},
      ...(parts.handler === null ? [] : [layerOf('handler', 'opt/thaw/handler/handler.mjs', parts.handler)]),
      layerOf('config', 'opt/thaw/config/serve.json', Buffer.from(`${canonicalJson(parts.serve)}\n`)),
    ],
  };
}

function layerOf(role: LayerRole, path: string, bytes: Uint8Array): LayerPlan {
  return {role, entries: [fileEntry(path, {bytes})], compression: 6};
}

async function prepareCache(cacheDir: string): Promise<void> {
  try {
    await mkdir(cacheDir, {recursive: true});
  } catch (error) {
    throw await writeFailure(error, cacheDir);
  }
  await sweepCache(cacheDir, Date.now());
}

/**
 * Reads SOURCE_DATE_EPOCH as reproducible builds define it; 0 where it is not set or not a number of seconds.
 */
export function parseSourceDateEpoch(value: string | undefined): number {
  return value !== undefined && /^\d{1,12}$/.test(value) ? Number(value) : 0;
}
