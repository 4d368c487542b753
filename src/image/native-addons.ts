import {access} from 'node:fs/promises';
import {join} from 'node:path';
import type {Plugin} from 'esbuild';
import {ThawError} from '../core/errors.ts';

/** A compiled library that some package wants to load: it cannot be part of a bundle. */
export interface NativeAddon {
  /** The addon's file, or how it would be found. */
  readonly addon: string;
  /** The package that needs it; null if it is the project itself. */
  readonly package: string | null;
}

/** Packages whose only purpose is to find a compiled addon. */
const ADDON_LOADERS = [
  'bindings',
  'node-gyp-build',
  'node-gyp-build-optional-packages',
  'node-pre-gyp',
  '@mapbox/node-pre-gyp',
  'pkg-prebuilds',
];

/** Stops a bundle at the first native addon, with the addon as the error's detail. */
export function refuseNativeAddons(): Plugin {
  return {
    name: 'native-addons',
    setup(build) {
      build.onLoad({filter: /\.node$/}, ({path}) => refusal({addon: path, package: packageOf(path)}));
      const loaders = new RegExp(
        `^(${ADDON_LOADERS.map((name) => name.replaceAll('/', '\\/')).join('|')})(\\/|$)`,
      );
      build.onResolve({filter: loaders}, ({path, importer}) =>
        refusal({addon: `found by ${path}`, package: packageOf(importer)}),
      );
    },
  };
}

function refusal(detail: NativeAddon): {errors: {text: string; detail: NativeAddon}[]} {
  return {errors: [{text: 'native addon', detail}]};
}

/**
 * Finds a package among a bundle's files that carries an addon although nothing in the bundle names it: packages
 * that are compiled when they are installed, or bring compiled files for each platform.
 *
 * @param inputs the bundled files, relative to the project
 */
export async function findAddonPackage(
  projectDir: string,
  inputs: readonly string[],
): Promise<NativeAddon | null> {
  const folders = new Set(inputs.flatMap((input) => packageDirOf(input) ?? []));
  for (const folder of [...folders].sort()) {
    for (const sign of ['binding.gyp', 'prebuilds']) {
      const present = await access(join(projectDir, folder, sign)).then(
        () => true,
        () => false,
      );
      if (present) return {addon: `${folder}/${sign}`, package: packageOf(`${folder}/`)};
    }
  }
  return null;
}

/** The error for an addon in a handler. */
export function nativeAddonError(handler: string, found: NativeAddon): ThawError {
  const owner = found.package === null ? 'the project' : `package ${found.package}`;
  return new ThawError('HANDLER_INVALID', `${handler} needs a native addon: ${owner} loads ${found.addon}`, {
    file: handler,
    addon: found.addon,
    package: found.package,
  });
}

/** The name of the package that a file belongs to; null if it lies in no `node_modules`. */
function packageOf(path: string): string | null {
  return PACKAGE.exec(path.replaceAll('\\', '/'))?.[2] ?? null;
}

/** The folder of the package that a bundled file belongs to; null if it lies in no `node_modules`. */
export function packageDirOf(path: string): string | null {
  return PACKAGE.exec(path)?.[1] ?? null;
}

/** The innermost package: its folder, and its name. */
const PACKAGE = /^(.*(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+))\//;
