import {mkdir} from 'node:fs/promises';
import {join} from 'node:path';
import type {Digest} from '../core/digest.ts';
import {writeFailure} from '../core/disk.ts';
import {throwIfInterrupted} from '../core/errors.ts';
import type {Image, Layer, LayerRole, Platform} from '../core/image.ts';
import {canonicalJson} from '../core/json.ts';
import type {ServeManifest} from '../core/model.ts';
import type {ImageOnDisk} from '../core/ports.ts';
import {NONROOT} from './base/abi.ts';
import {originOf, type Base} from './base/base.ts';
import {CERTIFICATES, planBase} from './base/host.ts';
import {openDeflater} from './deflater.ts';
import {fileEntry, type Entry} from './entries.ts';
import type {FileMemory} from './file-memory.ts';
import type {Compression} from './gzip.ts';
import {buildLayer, sweepCache, type LayerPlan} from './layer.ts';
import {writeLayout} from './layout.ts';
import {renderConfig, renderManifest, type ImageConfig} from './manifest.ts';
import {chooseModelCompression, planModel, type ModelFile} from './model-layer.ts';
import {parseReference} from './registry/reference.ts';
import type {RuntimeParts} from './runtime.ts';

/** What an image is made from, and where. */
export interface BuildInput {
  readonly name: string;
  readonly platform: Platform;
  /** One from a registry has its layers in `cacheDir`. */
  readonly base: Base;
  /** None if the handler brings its own model. */
  readonly model: readonly ModelFile[];
  readonly serve: ServeManifest;
  readonly runtime: RuntimeParts;
  readonly handler: HandlerParts;
  /** Of these the image only keeps record, so that a later command can tell whether it is stale. */
  readonly sources: Image['sources'];
  readonly recipe: Digest;
  /** Beside thaw's own. */
  readonly labels?: {readonly [name: string]: string};
  /** The folder of the installed package, with `dist/` in it. */
  readonly packageDir: string;
  /** Layers are kept here, to be used again. */
  readonly cacheDir: string;
  /** What is known of files from earlier builds. */
  readonly memory: FileMemory;
  /** The OCI image layout to write: `.thaw/image`. */
  readonly layoutDir: string;
  /** The time that the image and every file in it bear; 0 unless the user set SOURCE_DATE_EPOCH. */
  readonly epochSeconds: number;
  readonly progress: BuildProgress;
  readonly signal: AbortSignal;
}

/** What of an image is the project's own code. */
export interface HandlerParts {
  /** Under `opt/thaw/handler`; nothing if the project has no handler. */
  readonly entries: readonly Entry[];
  /** Its large files, such as weights that it loads itself: they lie with the model, for they change as rarely. */
  readonly data: readonly {readonly path: string; readonly file: string}[];
  /** Beside `serve.json`. */
  readonly config: readonly Entry[];
}

/** Bytes done of how many, in one layer; total is null while it is not known. */
type BuildProgress = (layer: LayerRole, doneBytes: number, totalBytes: number | null) => void;

/** An image before any of it is written. */
export interface ImagePlan {
  readonly config: ImageConfig;
  /** Layers of the base that are already whole; they lie under all others. */
  readonly baseLayers: readonly Layer[];
  /** In the order in which they are stacked. */
  readonly layers: readonly LayerPlan[];
}

/** What of an image was decided or found before it can be planned. */
export interface ImageParts {
  readonly base: BaseParts;
  readonly runtime: Omit<RuntimeParts, 'record'>;
  readonly model: readonly Entry[];
  readonly modelCompression: Compression;
  readonly handler: readonly Entry[];
  readonly config: readonly Entry[];
  readonly serve: ServeManifest;
}

/** What of a base goes into the image. */
export interface BaseParts {
  /** As they were pulled; none if the base is made here. */
  readonly layers: readonly Layer[];
  /** What the base is made of here; nothing if it was pulled. */
  readonly entries: readonly Entry[];
  /** What it declares: the image's own variables stand above it. */
  readonly env: {readonly [name: string]: string};
  /** The file with certificates, absolute; null if there is none. */
  readonly certificates: string | null;
  /** Of its manifest; null if it is made here. */
  readonly digest: Digest | null;
}

/**
 * Builds an image into an OCI image layout. The same parts give the same digest, in whichever folder and at
 * whatever time.
 *
 * @throws ThawError PLATFORM_UNSUPPORTED, INPUT_INVALID, IMAGE_STALE if a file changes meanwhile, FILE_EXISTS,
 * DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export async function buildImage(input: BuildInput): Promise<ImageOnDisk> {
  const {cacheDir, epochSeconds, memory, progress, signal} = input;
  throwIfInterrupted(signal);
  const plan = planImage(input, await gatherParts(input));

  await prepareCache(cacheDir);
  const layers: Layer[] = [...plan.baseLayers];
  const deflater = openDeflater(join(input.packageDir, 'dist', 'deflate-worker.js'));
  try {
    for (const layerPlan of plan.layers) {
      const onBytes = (done: number, total: number | null): void => progress(layerPlan.role, done, total);
      const shortcuts = {memory, deflater};
      layers.push(await buildLayer(layerPlan, cacheDir, epochSeconds, onBytes, signal, shortcuts));
    }
  } finally {
    await deflater.close();
  }
  const config = renderConfig(plan.config, layers);
  const manifest = renderManifest(config.descriptor, layers);
  const image: Image = {
    schema: 'thaw.image/1',
    function: input.name,
    platform: input.platform,
    base: originOf(input.base),
    runtime: input.runtime.record,
    digest: manifest.descriptor.digest,
    model: input.serve.model,
    sources: input.sources,
    recipe: input.recipe,
    layers,
  };
  return writeLayout(image, [manifest, config], cacheDir, input.layoutDir, signal);
}

async function gatherParts({base, runtime, model, handler, serve}: BuildInput): Promise<ImageParts> {
  const {entries, data, config} = handler;
  return {
    base: partsOfBase(base),
    runtime,
    model: [...planModel(model), ...data.map(({path, file}) => fileEntry(path, {file}))],
    modelCompression: await chooseModelCompression([...model, ...data].map(({file}) => file)),
    handler: entries,
    config,
    serve,
  };
}

function partsOfBase(base: Base): BaseParts {
  if (base.kind === 'host') {
    const certificates = base.certificates === null ? null : `/${CERTIFICATES}`;
    return {layers: [], entries: planBase(base), env: {}, certificates, digest: null};
  }
  const {layers, env, certificates, reference} = base;
  return {layers, entries: [], env, certificates, digest: parseReference(reference).digest};
}

const PATH = '/usr/local/bin:/usr/bin:/bin';

/** Stacks the layers, those that change rarely first and none that is empty, and says how the image is started. */
export function planImage(
  {name, platform, epochSeconds, labels}: Pick<BuildInput, 'name' | 'platform' | 'epochSeconds' | 'labels'>,
  parts: ImageParts,
): ImagePlan {
  const {base, runtime, serve} = parts;
  return {
    config: {
      platform,
      entrypoint: runtime.entrypoint,
      env: {
        ...base.env,
        PATH: [...runtime.path, base.env['PATH'] ?? PATH].join(':'),
        // Before ONNX Runtime is loaded, or it keeps a device id and calls home.
        ORT_DISABLE_TELEMETRY: '1',
        ...runtime.env,
        ...(base.certificates === null ? {} : {SSL_CERT_FILE: base.certificates}),
      },
      user: `${NONROOT}:${NONROOT}`,
      workingDir: '/opt/thaw',
      labels: {
        ...labels,
        'org.opencontainers.image.title': name,
        ...(base.digest === null ? {} : {'org.opencontainers.image.base.digest': base.digest}),
        'thaw.function': name,
        ...(serve.model === null ? {} : {'thaw.model': serve.model}),
      },
      epochSeconds,
    },
    baseLayers: base.layers,
    layers: [
      {role: 'base' as const, entries: base.entries, compression: 6 as const},
      ...runtime.layers,
      {role: 'model' as const, entries: parts.model, compression: parts.modelCompression},
      {role: 'handler' as const, entries: parts.handler, compression: 6 as const},
      {role: 'config' as const, entries: [serveEntry(serve), ...parts.config], compression: 6 as const},
    ].filter(({entries}) => entries.length > 0),
  };
}

function serveEntry(serve: ServeManifest): Entry {
  return fileEntry('opt/thaw/config/serve.json', {bytes: Buffer.from(`${canonicalJson(serve)}\n`)});
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
