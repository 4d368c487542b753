import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {appendFile, open, readFile, rm, writeFile} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import {blocksOf} from './markdown.ts';
import {ROOT} from './thaw.ts';
import {cacheDir} from '../onnxruntime.ts';

/** A command of a page's `console` block, with the output that the page shows. */
export interface Scene {
  readonly command: string;
  readonly shown: string;
}

/** Where the story of the pages plays. */
export interface Stage {
  /** Stands for `/home/you`. */
  readonly home: string;
  /** The current folder, as `cd` left it. */
  cwd: string;
}

const HOME = '/home/you';

/** The commands of a page's `console` blocks, in order. */
export function scenesOf(text: string): Scene[] {
  return blocksOf(text)
    .filter(({language}) => language === 'console')
    .flatMap((block) => block.text.split(/^(?=\$ )/m))
    .map((part) => {
      const [first = '', ...rest] = part.split('\n');
      return {command: first.slice(2), shown: rest.join('\n').trimEnd()};
    });
}

/** Plays a command as the pages write them (`thaw`, `cd`, and `echo` into a file) and returns what it printed. */
export async function play({command}: Scene, stage: Stage): Promise<string> {
  const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  const [program, ...args] = words;
  if (program === 'thaw') return runThaw(args, stage);
  if (program === 'cd') stage.cwd = resolve(stage.cwd, args[0] ?? '.');
  else if (program === 'echo' && args[1] === '>>')
    await appendFile(join(stage.cwd, args[2] ?? ''), `${args[0]}\n`);
  else throw new Error(`the story has no ${command}`);
  return '';
}

/** Both streams go into one file, so that they stand in the order in which they were written. */
async function runThaw(args: readonly string[], {home, cwd}: Stage): Promise<string> {
  const file = join(home, 'output.txt');
  const output = await open(file, 'w');
  try {
    const {NODE_EXTRA_CA_CERTS: _certificates, NODE_OPTIONS: _options, CI: _ci, ...env} = process.env;
    const child = spawn(process.execPath, [join(ROOT, 'bin', 'run.js'), ...args], {
      cwd,
      stdio: ['ignore', output.fd, output.fd],
      env: {
        ...env,
        // What a reader without a container engine sees.
        THAW_DOCKER: 'none',
        LC_ALL: 'C.UTF-8',
        WT_SESSION: 'a terminal that can show Unicode',
        NO_COLOR: '1',
        THAW_STATE_DIR: join(home, 'state'),
        THAW_CACHE_DIR: cacheDir(),
        // No registry is asked, whatever the network.
        THAW_BASE: 'host',
      },
    });
    await once(child, 'close');
    const text = await readFile(file, 'utf8');
    return text.replaceAll('\\\\', '/').replaceAll(home, HOME).trimEnd();
  } finally {
    await output.close();
    await rm(file, {force: true});
  }
}

/**
 * What stays the same of an output from run to run: its words, in order. Figures, ids, paths' separators, bars and
 * the width of tables do not; lines of the same words in a row count once.
 */
export function shapeOf(output: string): string[] {
  const lines = output.split('\n').map(
    (line) =>
      line
        .replace(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, ' ')
        .replace(/\b\d{4}-\d\d-\d\dT[\d:.-]+Z?/g, ' ')
        .replace(/(?<![\p{L}\d])[0-9a-f]{8}(?![\p{L}\d])|[0-9a-f]{12,}/gu, ' ')
        .replace(/[\d.]+(e[+-]?\d+)? ?(ms|s|B|kB|MB|GB)\b/g, ' ')
        .replace(/\bp\d\d\b|\bmin–max\b/g, ' ')
        .match(/\p{L}{2,}/gu) ?? [],
  );
  return lines.filter((words, index) => words.join(' ') !== lines[index - 1]?.join(' ')).flat();
}

/** Writes what a page's commands printed into its `console` blocks. */
export async function record(
  file: string,
  outputs: readonly {readonly scene: Scene; readonly output: string}[],
): Promise<void> {
  let text = await readFile(file, 'utf8');
  let from = 0;
  for (const {scene, output} of outputs) {
    const before = [`$ ${scene.command}`, ...(scene.shown === '' ? [] : [scene.shown])].join('\n');
    const after = [`$ ${scene.command}`, ...(output === '' ? [] : [output])].join('\n');
    const at = text.indexOf(before, from);
    if (at < 0) throw new Error(`${file} has no ${scene.command}`);
    text = text.slice(0, at) + after + text.slice(at + before.length);
    from = at + after.length;
  }
  await writeFile(file, text);
}
