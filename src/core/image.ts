import type {Digest} from './digest.ts';

/** The operating system and CPU architecture of an image, as the OCI specifications name them. */
export type Platform = 'linux/amd64' | 'linux/arm64';

/** What a layer holds, in the order in which layers are stacked: the rarely changing ones first. */
export const LAYER_ROLES = [
  'base',
  'interpreter',
  'runtime',
  'packages',
  'model',
  'handler',
  'config',
] as const;
export type LayerRole = (typeof LAYER_ROLES)[number];

/** One layer of a built image. */
export interface Layer {
  readonly role: LayerRole;
  readonly mediaType: string;
  /** Digest and size of the compressed blob, as the manifest lists it. */
  readonly digest: Digest;
  readonly bytes: number;
  /** Digest and size of the tar archive inside. */
  readonly diffId: Digest;
  readonly unpackedBytes: number;
}

/** What an image stands on. */
export type BaseOrigin =
  /** Files of the machine that built it. */
  | {readonly kind: 'host'; readonly glibc: string}
  /** An image from a registry: `registry/repository@sha256:…`, of the one for its platform. */
  | {readonly kind: 'registry'; readonly reference: string; readonly glibc: string};

/** What runs a function inside its image. */
export type ImageRuntime =
  | {readonly kind: 'node'}
  | {
      readonly kind: 'python';
      /** The minor version, such as `3.12`. */
      readonly version: string;
      /** Where the interpreter is from: the base, a relocatable build, or the machine that built the image. */
      readonly interpreter: 'base' | 'standalone' | 'host';
      /** Packages that the base has already; they are in no layer. */
      readonly provided: readonly string[];
    };

/** A built image, lying in an OCI image layout on disk. */
export interface Image {
  readonly schema: 'thaw.image/1';
  readonly function: string;
  readonly platform: Platform;
  readonly base: BaseOrigin;
  readonly runtime: ImageRuntime;
  /** The manifest's digest: the image's identity. */
  readonly digest: Digest;
  /** Digest of the model file inside, so that a report can be traced back to it; null if the handler brings its own. */
  readonly model: Digest | null;
  /** The project's files that went into it, to tell whether one has changed since. */
  readonly sources: readonly {readonly path: string; readonly digest: Digest}[];
  /** Digest of the settings that shaped it, thaw's version included. */
  readonly recipe: Digest;
  readonly layers: readonly Layer[];
}
