// npm run bench -- NAME [OPTIONS]: runs bench/NAME.mjs in a process of its own.
import {spawnSync} from 'node:child_process';
import {readdirSync} from 'node:fs';
import {fileURLToPath} from 'node:url';

const here = new URL('.', import.meta.url);
const names = readdirSync(here)
  .filter((file) => file.endsWith('.mjs') && file !== 'run.mjs')
  .map((file) => file.slice(0, -'.mjs'.length));

const [name, ...options] = process.argv.slice(2);
if (name === undefined || !names.includes(name)) {
  console.error(`usage: npm run bench -- NAME [OPTIONS], where NAME is ${names.join(' or ')}`);
  process.exitCode = 2;
} else {
  const script = fileURLToPath(new URL(`${name}.mjs`, here));
  const {status, error} = spawnSync(process.execPath, [script, ...options], {stdio: 'inherit'});
  if (error) throw error;
  process.exitCode = status ?? 1;
}
