// The whole way on this machine, in a temporary folder: init, package, deploy, invoke, benchmark, destroy.
import {spawnSync} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

const bin = join(dirname(fileURLToPath(import.meta.url)), '..', 'bin', 'run.js');
const folder = mkdtempSync(join(tmpdir(), 'thaw-demo-'));
const project = join(folder, 'credit-scoring');
const started = Date.now();
/** The base is made here, so that the demo needs no registry; and it runs the same whether or not there is Docker. */
const {THAW_BASE = 'host', THAW_DOCKER = 'none'} = process.env;
const env = {...process.env, THAW_BASE, THAW_DOCKER};

function thaw(cwd, ...args) {
  console.log(`\n$ thaw ${args.join(' ')}`);
  const {status, signal} = spawnSync(process.execPath, [bin, ...args], {cwd, stdio: 'inherit', env});
  if (status !== 0) throw new Error(`thaw ${args[0]} ended with ${signal ?? `exit code ${status}`}`);
}

let deployed = false;
try {
  thaw(folder, 'init', 'credit-scoring', '--template', 'tabular', '--yes');
  thaw(project, 'package');
  deployed = true;
  thaw(project, 'deploy', 'local', '--yes');
  thaw(project, 'invoke', 'local', '--data', '@samples/request.json');
  thaw(project, 'benchmark', 'local', '--cold', '10', '--warm', '200');
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  if (deployed) thaw(project, 'destroy', 'local', '--yes');
  rmSync(folder, {recursive: true, force: true});
}
console.log(`\nAll of it took ${Math.round((Date.now() - started) / 1000)} s.`);
