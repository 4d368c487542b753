import {readFileSync} from 'node:fs';

interface ManifestCommand {
  readonly id: string;
  readonly summary?: string;
  readonly group?: string;
  readonly hidden?: boolean;
}

const GROUPS = ['Start', 'Run', 'Measure', 'Look after'] as const;

/** The page that a bare `thaw` shows: read from the manifest alone, so that it is there at once. */
export function rootHelp(): string {
  const manifest = readJson('../../oclif.manifest.json') as {
    version: string;
    commands: Record<string, ManifestCommand>;
  };
  const commands = Object.values(manifest.commands).filter((command) => !command.hidden);
  const width = Math.max(...commands.map(({id}) => id.length));
  const sections = GROUPS.map((group) => {
    const members = commands.filter((command) => command.group === group);
    const lines = members.map(({id, summary}) => `  ${id.padEnd(width)}  ${summary ?? ''}`);
    return members.length > 0 ? [`${group}:`, ...lines, ''].join('\n') : null;
  });
  return [
    `thaw ${manifest.version}: from a trained model to a serverless endpoint, with proof of how fast it wakes up.`,
    '',
    'Usage: thaw COMMAND [FLAGS]',
    '',
    ...sections.filter((section) => section !== null),
    'thaw COMMAND --help says more. First steps: thaw init my-function --template tabular',
    '',
  ].join('\n');
}

function readJson(relative: string): unknown {
  return JSON.parse(readFileSync(new URL(relative, import.meta.url), 'utf8'));
}
