import {digestOf} from '../core/digest.ts';
import type {Layer, Platform} from '../core/image.ts';
import {canonicalJson} from '../core/json.ts';
import type {Descriptor} from './blobs.ts';

const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';
const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';

/** How an image's process is started, and what it is. */
export interface ImageConfig {
  readonly platform: Platform;
  readonly entrypoint: readonly string[];
  readonly env: {readonly [name: string]: string};
  /** `uid:gid` */
  readonly user: string;
  readonly workingDir: string;
  readonly labels: {readonly [name: string]: string};
  /** When the image says it was made. */
  readonly epochSeconds: number;
}

/** A JSON document as a blob: its bytes are canonical, so its digest depends on the values alone. */
export interface Document {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** Renders a JSON value as a blob. */
export function renderDocument(mediaType: string, value: unknown): Document {
  const bytes = Buffer.from(canonicalJson(value));
  return {descriptor: {mediaType, digest: digestOf(bytes), size: bytes.length}, bytes};
}

/** Renders an OCI image configuration: one history entry a layer, which Lambda insists on. */
export function renderConfig(config: ImageConfig, layers: readonly Layer[]): Document {
  const [os, architecture] = config.platform.split('/');
  const created = new Date(config.epochSeconds * 1000).toISOString().replace('.000Z', 'Z');
  return renderDocument(CONFIG_TYPE, {
    architecture,
    os,
    created,
    config: {
      Entrypoint: config.entrypoint,
      Env: Object.entries(config.env).map(([name, value]) => `${name}=${value}`),
      User: config.user,
      WorkingDir: config.workingDir,
      Labels: config.labels,
    },
    rootfs: {type: 'layers', diff_ids: layers.map((layer) => layer.diffId)},
    history: layers.map((layer) => ({created, created_by: `thaw package: ${layer.role}`})),
  });
}

/** Renders the manifest of one image for one platform. Its digest is the image's identity. */
export function renderManifest(config: Descriptor, layers: readonly Layer[]): Document {
  return renderDocument(MANIFEST_TYPE, {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config,
    layers: layers.map((layer): Descriptor => ({
      mediaType: layer.mediaType,
      digest: layer.digest,
      size: layer.bytes,
    })),
  });
}

/** The part of a manifest that thaw reads. */
export interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** The part of a configuration that thaw reads. */
export interface ConfigDocument {
  readonly config: {
    readonly Entrypoint: readonly string[];
    /** `NAME=value` each. */
    readonly Env: readonly string[];
    readonly User: string;
    readonly WorkingDir: string;
    readonly Labels: {readonly [name: string]: string};
  };
}
