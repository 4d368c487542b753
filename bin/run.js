#!/usr/bin/env node
// Version and root help are answered before the framework is loaded: they are most of what people wait for.
import {readFileSync} from 'node:fs';

const [first, second] = process.argv.slice(2);
if (second === undefined && (first === '--version' || first === '-v')) {
  const {name, version} = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  console.log(`${name}/${version} ${process.platform}-${process.arch} node-${process.version}`);
} else if (first === undefined || (second === undefined && (first === '--help' || first === 'help'))) {
  const {rootHelp} = await import('../dist/cli/help.js');
  process.stdout.write(rootHelp());
} else {
  const {main} = await import('../dist/cli/main.js');
  await main(import.meta.url);
}
