import {readFileSync} from 'node:fs';

/** The commands in the order in which a project needs them. */
export const COMMAND_GROUPS: {readonly [title: string]: readonly string[]} = {
  Start: ['init', 'convert', 'quantize', 'package'],
  Run: ['plan', 'deploy', 'dev', 'invoke', 'status', 'logs', 'warm'],
  Measure: ['benchmark', 'compare'],
  'Look after': ['doctor', 'rollback', 'destroy', 'cache'],
};

interface Manifest {
  readonly version: string;
  readonly commands: {readonly [id: string]: {readonly summary?: string}};
}

/** The page that a bare `thaw` shows: read from the manifest alone, so that it is there at once. */
export function rootHelp(): string {
  const file = new URL('../../oclif.manifest.json', import.meta.url);
  const {version, commands} = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
  const width = Math.max(...Object.keys(commands).map((id) => id.length));
  const groups = Object.entries(COMMAND_GROUPS).map(([title, ids]) => {
    const lines = ids.map((id) => `  ${id.padEnd(width)}  ${commands[id]?.summary ?? ''}`);
    return [`${title}:`, ...lines, ''].join('\n');
  });
  return [
    `thaw ${version}: from a trained model to a serverless endpoint, with proof of how fast it wakes up.`,
    '',
    'Usage: thaw COMMAND [FLAGS]',
    '',
    ...groups,
    'thaw COMMAND --help says more. First steps: thaw init my-function --template tabular',
    '',
  ].join('\n');
}
