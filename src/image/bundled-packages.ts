import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import type {HandlerBundle} from './handler.ts';
import {packageDirOf} from './native-addons.ts';

/** An npm package of which code is in the bundled handler. */
export interface BundledPackage {
  readonly name: string;
  /** Null if its package.json names none. */
  readonly version: string | null;
  /** As its package.json writes it. */
  readonly license: string | null;
  /** Of the bundle, so many bytes are from it. */
  readonly bytes: number;
}

/**
 * Finds the packages that a handler was bundled from, by name and version. Two copies of one version count as one.
 *
 * @throws nothing: a package without a legible package.json is named after its folder
 */
export async function inspectBundledPackages(
  projectDir: string,
  {bytesByInput}: Pick<HandlerBundle, 'bytesByInput'>,
): Promise<readonly BundledPackage[]> {
  const bytesByFolder = new Map<string, number>();
  for (const [input, bytes] of bytesByInput) {
    const folder = packageDirOf(input);
    if (folder !== null) bytesByFolder.set(folder, (bytesByFolder.get(folder) ?? 0) + bytes);
  }
  const packages = new Map<string, BundledPackage>();
  for (const [folder, bytes] of bytesByFolder) {
    const found = await readPackage(projectDir, folder);
    const key = `${found.name}@${found.version ?? ''}`;
    packages.set(key, {...found, bytes: bytes + (packages.get(key)?.bytes ?? 0)});
  }
  return [...packages].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, found]) => found);
}

async function readPackage(projectDir: string, folder: string): Promise<Omit<BundledPackage, 'bytes'>> {
  const named = folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);
  let manifest: {readonly [key: string]: unknown} | null = null;
  try {
    const file = join(projectDir, folder, 'package.json');
    manifest = JSON.parse(await readFile(file, 'utf8')) as typeof manifest;
  } catch {
    // Bundled all the same: say what is known.
  }
  return {
    name: textOf(manifest?.['name']) ?? named,
    version: textOf(manifest?.['version']),
    license: textOf(manifest?.['license']),
  };
}

const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
