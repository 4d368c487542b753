import type {LoadShape} from '../core/load.ts';
import type {Report} from '../core/report.ts';
import {formatDuration} from '../core/units.ts';

/** What thaw calls a body that came as text of the command line, and one from standard input. */
const UNNAMED_SOURCES = new Set(['the command line', '-']);

/**
 * The command that asks for the same again. Values of headers and bodies that were typed are not in a report; in
 * their place stand three dots.
 */
export function renderCommandLine({function: name, providers, request, samples}: Report): string {
  const {cold, warm, load, method, headers, bodies} = request;
  const project = /^(.*[\\/])\.thaw[\\/]/s.exec(samples)?.[1] ?? '';
  const targets = providers.map(({provider, url}) => (name === null ? url : provider));
  // A project's own requests carry this one anyway.
  const given = headers.filter((header) => header.toLowerCase() !== 'content-type');
  const words = [
    'thaw',
    'benchmark',
    ...targets,
    ...(method === 'POST' ? [] : ['--method', method]),
    ...given.flatMap((header) => ['--header', `${header}: …`]),
    ...bodies.flatMap(({source}) => [
      '--data',
      UNNAMED_SOURCES.has(source) ? '…' : `@${within(project, source)}`,
    ]),
    '--cold',
    String(cold),
    '--warm',
    String(warm),
    ...(load === null ? [] : loadFlags(load)),
  ];
  return words.map(quote).join(' ');
}

function loadFlags(load: LoadShape): string[] {
  switch (load.kind) {
    case 'rate':
      return ['--rate', String(load.perSecond), '--duration', formatDuration(load.durationMs)];
    case 'steps':
      return ['--steps', load.perSecond.join(','), '--duration', formatDuration(load.durationMs)];
    case 'burst':
      return ['--burst', String(load.requests)];
    default:
      return [
        '--ramp',
        `${load.fromPerSecond}..${load.toPerSecond}`,
        '--duration',
        formatDuration(load.durationMs),
      ];
  }
}

/** A path as it is written in the project's folder. */
const within = (folder: string, path: string): string =>
  folder !== '' && path.startsWith(folder) ? path.slice(folder.length) : path;

/** As a POSIX shell takes a word literally. */
function quote(word: string): string {
  return /^[\w@%+=:,./…-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
