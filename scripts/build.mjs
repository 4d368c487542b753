// Builds dist/ from src/: the command line (one entry per command, shared chunks), the gateway, and the runtime's
// single-file programs. Then writes oclif.manifest.json from the built commands.
import {execFileSync} from 'node:child_process';
import {cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {build} from 'esbuild';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'));

/** Bundled CommonJS dependencies ask for these, which ES modules do not have. */
const cjsGlobals = [
  "import {createRequire as __createRequire} from 'node:module';",
  "import {fileURLToPath as __fileURLToPath} from 'node:url';",
  "import {dirname as __dirnameOf} from 'node:path';",
  'const require = __createRequire(import.meta.url);',
  'const __filename = __fileURLToPath(import.meta.url);',
  'const __dirname = __dirnameOf(__filename);',
].join('');

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  legalComments: 'linked',
  logLevel: 'warning',
};
const esm = {
  ...common,
  format: 'esm',
  splitting: true,
  minifySyntax: true,
  minifyWhitespace: true,
  banner: {js: cjsGlobals},
  // oclif asks for TypeScript only while developing plugins; esbuild carries a native binary.
  external: ['typescript', 'esbuild'],
};

const present = (entries) =>
  Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(file)));
const commands = readdirSync('src/commands', {recursive: true})
  .filter((file) => file.endsWith('.ts'))
  .map((file) => [`commands/${file.slice(0, -3).replaceAll('\\', '/')}`, join('src/commands', file)]);

if (!process.argv.includes('--keep')) rmSync('dist', {recursive: true, force: true});
await build({
  ...esm,
  outdir: 'dist',
  chunkNames: 'chunks/[name]-[hash]',
  entryPoints: present({
    ...Object.fromEntries(commands),
    'cli/main': 'src/cli/main.ts',
    'cli/help': 'src/cli/help.ts',
    api: 'src/cli/api.ts',
    'deflate-worker': 'src/image/deflate-worker.ts',
    gateway: 'src/cli/gateway.ts',
  }),
});
await build({
  ...common,
  format: 'cjs',
  outdir: 'dist/runtime',
  outExtension: {'.js': '.cjs'},
  minifySyntax: true,
  minifyWhitespace: true,
  entryPoints: present({
    server: 'src/runtime/node/server.ts',
    worker: 'src/runtime/node/worker.ts',
    clouds: 'src/runtime/node/clouds.ts',
    probe: 'src/runtime/node/probe.ts',
  }),
});
// Lambda's own Node waits for what a module awaits at its top, which CommonJS cannot.
await build({
  ...common,
  format: 'esm',
  outdir: 'dist/runtime',
  outExtension: {'.js': '.mjs'},
  minifySyntax: true,
  minifyWhitespace: true,
  entryPoints: present({managed: 'src/runtime/node/managed.ts'}),
});

// What the user's own Python runs.
cpSync('src/python/programs', 'dist/python', {
  recursive: true,
  filter: (file) => !file.includes('__pycache__'),
});

// The runtime of Python handlers.
cpSync('src/runtime/python', 'dist/runtime/python', {
  recursive: true,
  filter: (file) => !file.includes('__pycache__'),
});

// What Lambda's own Python calls.
cpSync('src/runtime/python-managed/thaw_lambda.py', 'dist/runtime/thaw_lambda.py');

// The types of the package as a library.
if (!process.argv.includes('--keep')) {
  const tsc = fileURLToPath(new URL('bin/tsc', import.meta.resolve('typescript/package.json')));
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.types.json'], {stdio: 'inherit'});
}

if (!process.argv.includes('--no-manifest') && commands.length > 0) {
  const {Plugin} = await import('@oclif/core');
  const plugin = new Plugin({
    root: process.cwd(),
    type: 'core',
    ignoreManifest: true,
    errorOnManifestCreate: true,
  });
  await plugin.load();
  const text = `${JSON.stringify(plugin.manifest, null, 2)}\n`;
  const file = 'oclif.manifest.json';
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text);
}
