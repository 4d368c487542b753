// What a user downloads and what lies on the disk afterwards: packs the package, installs the tarball into an
// empty project, and adds up.
//
// Options: --strict (exit 1 if the goal is missed).
import {spawnSync} from 'node:child_process';
import {mkdtempSync, lstatSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';

const GOAL_MB = 40;
const {values: options} = parseArgs({options: {strict: {type: 'boolean', default: false}}});
const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs the npm that runs this script, or the one on the path. */
function npm(args, cwd) {
  const script = process.env.npm_execpath;
  const [file, prefix, shell] = script?.endsWith('.js')
    ? [process.execPath, [script], false]
    : ['npm', [], process.platform === 'win32'];
  // What npm sets for its scripts must not steer the npm in here.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^npm_(package|lifecycle|command|config_local_prefix)/.test(name),
    ),
  );
  const {status, stdout, stderr, error} = spawnSync(file, [...prefix, ...args], {
    cwd,
    shell,
    env,
    encoding: 'utf8',
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`npm ${args.join(' ')} ended with ${status}\n${stderr}`);
  return stdout;
}

function treeOf(dir) {
  let bytes = 0;
  let files = 0;
  for (const entry of readdirSync(dir, {withFileTypes: true})) {
    const path = join(dir, entry.name);
    const below = entry.isDirectory() ? treeOf(path) : {bytes: lstatSync(path).size, files: 1};
    bytes += below.bytes;
    files += below.files;
  }
  return {bytes, files};
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;

const dir = mkdtempSync(join(tmpdir(), 'thaw-size-'));
try {
  const [packed] = [JSON.parse(npm(['pack', '--json', '--ignore-scripts', '--pack-destination', dir], root))]
    .map((answer) => Object.values(answer))
    .flat();
  writeFileSync(join(dir, 'package.json'), JSON.stringify({name: 'empty', version: '1.0.0', private: true}));
  npm(['install', '--ignore-scripts', '--no-audit', '--no-fund', `./${packed.filename}`], dir);

  const modules = join(dir, 'node_modules');
  const packages = readdirSync(modules, {withFileTypes: true})
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({name}) => ({name, ...treeOf(join(modules, name))}))
    .sort((a, b) => b.bytes - a.bytes);
  const installed = treeOf(modules);
  const holds = installed.bytes <= GOAL_MB * 1e6;

  console.log(`tarball        ${megabytes(packed.size)}`);
  console.log(`unpacked       ${megabytes(packed.unpackedSize)} in ${packed.entryCount} files`);
  console.log(`installed tree ${megabytes(installed.bytes)} in ${installed.files} files`);
  for (const {name, bytes} of packages) console.log(`  ${name.padEnd(12)} ${megabytes(bytes)}`);
  console.log(`\nThe goal of ${GOAL_MB} MB ${holds ? 'holds' : 'is MISSED'}.`);
  if (options.strict && !holds) process.exitCode = 1;
} finally {
  rmSync(dir, {recursive: true, force: true});
}
