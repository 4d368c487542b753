import type {ThawError} from '../../core/errors.ts';
import type {Layer, Platform} from '../../core/image.ts';
import type {Descriptor} from '../blobs.ts';
import {
  ABI,
  CERTIFICATE_BUNDLES,
  GLIBC_MIN_VERSION,
  isGlibcEnough,
  libraryDirs,
  LINKED_LIBRARIES,
  parseDistribution,
} from './abi.ts';
import type {BaseContents, BaseLibrary, SystemPackage} from './contents.ts';
import {parseDpkgStatus} from './dpkg-status.ts';
import {asGzip, nameOfLayer, type LayerStore, type Refuse} from './layer-format.ts';
import {readLayer, type BaseReading, type FileFacts} from './read-layer.ts';
import {createTree, type Tree} from './tree.ts';

/** What was found in a base. */
export interface Inspection {
  /** As they go into the image: gzip. */
  readonly layers: readonly Layer[];
  readonly contents: BaseContents;
  /** The file with certificates, absolute; null if there is none. */
  readonly certificates: string | null;
  /** The Pythons that lie where programs do, the most likely to be meant first. */
  readonly pythons: readonly BasePython[];
}

/** A Python of a base. */
export interface BasePython {
  /** Absolute: `/usr/local/bin/python3.12`. */
  readonly path: string;
  /** The minor version: `3.12`. */
  readonly version: string;
}

/**
 * Reads the layers of a base out of the cache and holds them against what Node and ONNX Runtime need. Nothing is
 * unpacked to the disk.
 *
 * @param diffIds the digests of the layers' contents, as the base's configuration lists them
 * @throws ThawError IMAGE_INVALID, PLATFORM_UNSUPPORTED, DISK_FULL, INTERRUPTED
 */
export async function inspectLayers(
  blobs: readonly Descriptor[],
  diffIds: readonly unknown[],
  platform: Platform,
  store: LayerStore,
): Promise<Inspection> {
  const {refuse} = store;
  if (diffIds.length !== blobs.length) {
    throw refuse(`its configuration lists ${diffIds.length} layers, and its manifest ${blobs.length}`);
  }
  const reading: BaseReading = {...store, tree: createTree(), members: 0, unpackedBytes: 0, textBytes: 0};
  const layers: Layer[] = [];
  for (const [nth, blob] of blobs.entries()) {
    const layer = await readLayer(await asGzip(blob, nth, store), nth, reading);
    if (layer.diffId !== diffIds[nth]) {
      throw refuse(`${nameOfLayer(nth)} unpacks to other content than its configuration says`);
    }
    layers.push(layer);
  }
  return {layers, ...inspectTree(reading.tree, platform, refuse)};
}

/**
 * Finds in a base's files what the image needs of them.
 *
 * @throws what `refuse` makes
 */
function inspectTree(tree: Tree<FileFacts>, platform: Platform, refuse: Refuse): Omit<Inspection, 'layers'> {
  const glibc = expectGlibc(tree, platform, refuse);
  const libraries = findLibraries(tree, platform);
  const missing = LINKED_LIBRARIES.filter(
    (soname) => !libraries.some((library) => library.soname === soname),
  );
  if (missing.length > 0) throw refuse(`it has no ${missing.join(', ')}`);
  const osRelease = ['etc/os-release', 'usr/lib/os-release'].map((path) => tree.file(path)?.text ?? null);
  return {
    contents: {
      glibc,
      distribution: parseDistribution(osRelease.find((text) => text !== null) ?? ''),
      libraries,
      packages: findPackages(tree),
    },
    certificates: CERTIFICATE_BUNDLES.find((path) => tree.file(path) !== null) ?? null,
    pythons: findPythons(tree),
  };
}

function expectGlibc(tree: Tree<FileFacts>, platform: Platform, refuse: Refuse): string {
  const {loader, machine} = ABI[platform];
  const libc = findLibrary(tree, 'libc.so.6', platform);
  if (libc === null) throw refuseWithout(tree, platform, refuse);
  if (libc.machine !== machine) {
    throw refuse(`its libc.so.6 is not for ${platform}`);
  }
  if (tree.file(loader)?.library?.machine !== machine) {
    throw refuse(`it has no loader for ${platform} at ${loader}`);
  }
  if (libc.glibc === null) throw refuse('its libc.so.6 is not glibc');
  if (!isGlibcEnough(libc.glibc)) {
    throw refuse(`its glibc is ${libc.glibc}, and Node and ONNX Runtime need ${GLIBC_MIN_VERSION} or later`);
  }
  return libc.glibc;
}

/** Why there is no glibc: the usual reasons have names. */
function refuseWithout(tree: Tree<FileFacts>, platform: Platform, refuse: Refuse): ThawError {
  const isMusl = ['lib', 'usr/lib'].some((folder) =>
    tree.list(folder).some((name) => name.startsWith('ld-musl-')),
  );
  if (isMusl) return refuse('it is built on musl, as Alpine is, and Node and ONNX Runtime need glibc');
  return refuse(`it has no glibc for ${platform}: no libc.so.6 where its loader looks`);
}

type LibraryFacts = NonNullable<FileFacts['library']>;

/** The library that the loader would take; one for another CPU only where there is none for this. */
function findLibrary(tree: Tree<FileFacts>, soname: string, platform: Platform): LibraryFacts | null {
  const found = libraryDirs(platform).flatMap((folder) => tree.file(`${folder}/${soname}`)?.library ?? []);
  return found.find(({machine}) => machine === ABI[platform].machine) ?? found[0] ?? null;
}

/** Every library that lies where the loader looks, by the name that programs ask for. */
function findLibraries(tree: Tree<FileFacts>, platform: Platform): readonly BaseLibrary[] {
  const sonames = libraryDirs(platform).flatMap((folder) =>
    tree.list(folder).filter((name) => /^lib.+\.so\.\d+$/.test(name)),
  );
  return [...new Set(sonames)].sort().flatMap((soname) => {
    const library = findLibrary(tree, soname, platform);
    if (library?.machine !== ABI[platform].machine) return [];
    return [{soname, digest: library.digest, package: null}];
  });
}

/** Images of Python have it under /usr/local, before what their distribution may have. */
function findPythons(tree: Tree<FileFacts>): readonly BasePython[] {
  return ['usr/local/bin', 'usr/bin'].flatMap((folder) =>
    tree
      .list(folder)
      .filter((name) => /^python3\.\d+$/.test(name) && tree.file(`${folder}/${name}`) !== null)
      .map((name) => ({path: `/${folder}/${name}`, version: name.slice('python'.length)}))
      .sort((a, b) => Number(b.version.slice(2)) - Number(a.version.slice(2))),
  );
}

function findPackages(tree: Tree<FileFacts>): readonly SystemPackage[] {
  const folder = 'var/lib/dpkg/status.d';
  const files = ['var/lib/dpkg/status', ...tree.list(folder).map((name) => `${folder}/${name}`)];
  const packages = files.flatMap((file) => parseDpkgStatus(tree.file(file)?.text ?? ''));
  const unique = new Map(packages.map((found) => [`${found.name} ${found.version}`, found]));
  return [...unique.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
