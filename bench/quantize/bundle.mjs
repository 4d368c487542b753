import {join} from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {build} from 'esbuild';

/** Makes one file of what the bench runs of thaw's own: resolves to its path and to what it has. */
export async function bundleThaw(dir) {
  const bundle = join(dir, 'thaw.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('thaw.ts', import.meta.url))],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    logLevel: 'warning',
    banner: {
      js: "import {createRequire} from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
  return {bundle, thaw: await import(pathToFileURL(bundle).href)};
}
