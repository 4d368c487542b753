import {mkdtemp, readdir, readFile, realpath, rm, stat} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join, sep} from 'node:path';
import {systemCode, ThawError, throwIfInterrupted} from '../../core/errors.ts';
import type {Compiler} from '../../core/python.ts';
import {fileEntry, unreadable, type Entry} from '../entries.ts';
import {bytecodePath} from './compile-tree.ts';

/** The project's own files, as they go into an image. */
export interface ProjectLayer {
  /** Sources and small files, with what was compiled of them. */
  readonly entries: readonly Entry[];
  /** Large ones, such as weights: they change as rarely as a model. Paths are relative to the image's root. */
  readonly data: readonly {readonly path: string; readonly file: string}[];
  /** All files that decide what is in it, absolute. */
  readonly files: readonly string[];
}

export interface ProjectRequest {
  readonly dir: string;
  /** Files that go elsewhere, or nowhere: absolute. */
  readonly except: readonly string[];
  /** Compiles for the image's Python; null if there is nothing that does. */
  readonly compiler: Compiler | null;
  readonly signal: AbortSignal;
}

/** Names in it what stays out of the image, as .gitignore does. */
const IGNORE_FILE = '.thawignore';

/** What is of no use to a handler; the project's own list may take some of it back: `!README.md`. */
const USUALLY_OUT = [
  '.*',
  '__pycache__/',
  '*.pyc',
  'node_modules/',
  '/thaw.yaml',
  '/README*',
  '/samples/',
  '/training/',
  '/tests/',
  '/*.lock',
  '/requirements*.txt',
  '/pyproject.toml',
];
/** Nobody takes these back. */
const ALWAYS_OUT = new Set(['.git', '.thaw', IGNORE_FILE]);

const IN_IMAGE = 'opt/thaw/handler';
const LARGE_BYTES = 1 << 20;

interface Found {
  /** Relative to the project, with forward slashes. */
  readonly path: string;
  readonly file: string;
  readonly bytes: number;
  readonly executable: boolean;
}

/**
 * Lays out the project's own files: all but what is hidden, made by tools, or named in `.thawignore`. Links are followed
 * and become what they lead to.
 *
 * @throws ThawError HANDLER_INVALID for a link that leads out of the project, or a name that no archive takes;
 * INPUT_INVALID for what cannot be read; INTERRUPTED
 */
export async function planProject({dir, except, compiler, signal}: ProjectRequest): Promise<ProjectLayer> {
  const {default: ignore} = await import('ignore');
  const ignoreFile = join(dir, IGNORE_FILE);
  const own = await readFile(ignoreFile, 'utf8').catch(() => null);
  const rules = ignore()
    .add(USUALLY_OUT)
    .add(own ?? '');
  const root = await realpath(dir);
  const out = new Set(await Promise.all(except.map((file) => realpath(file).catch(() => file))));
  const found: Found[] = [];

  /** @param above the real folders that lead here, so that links do not lead in circles */
  const walk = async (folder: string, at: string, above: readonly string[]): Promise<void> => {
    throwIfInterrupted(signal);
    const members = await readdir(folder, {withFileTypes: true});
    if (at !== '' && members.some(({name}) => name === 'pyvenv.cfg')) return;
    for (const member of members.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = at === '' ? member.name : `${at}/${member.name}`;
      if (ALWAYS_OUT.has(member.name)) continue;
      const file = join(folder, member.name);
      if (member.isDirectory() && rules.ignores(`${path}/`)) continue;
      if (!member.isDirectory() && rules.ignores(path)) continue;
      if (/[\\\0]/.test(member.name)) throw badName(path);
      const real = member.isSymbolicLink() ? await follow(file, path, root) : file;
      const stats = await stat(real);
      if (stats.isDirectory()) {
        if (member.isSymbolicLink() && rules.ignores(`${path}/`)) continue;
        const here = await realpath(real);
        if (!above.includes(here)) await walk(real, path, [...above, here]);
      } else if (stats.isFile() && !out.has(await realpath(real))) {
        found.push({path, file: real, bytes: stats.size, executable: (stats.mode & 0o111) !== 0});
      }
    }
  };
  try {
    await walk(dir, '', [root]);
  } catch (error) {
    throw error instanceof ThawError ? error : unreadable(dir, error);
  }

  const large = found.filter(({path, bytes}) => bytes >= LARGE_BYTES && !path.endsWith('.py'));
  const small = found.filter((each) => !large.includes(each));
  const sources = small.filter(({path}) => path.endsWith('.py'));
  return {
    entries: [
      ...small.map(({path, file, executable}) => fileEntry(`${IN_IMAGE}/${path}`, {file}, {executable})),
      ...(compiler === null ? [] : await compile(sources, compiler)),
    ],
    data: large.map(({path, file}) => ({path: `${IN_IMAGE}/${path}`, file})),
    files: [...found.map(({file}) => file), ...(own === null ? [] : [ignoreFile])],
  };
}

/** Where a link leads, as long as that is within the project. */
async function follow(file: string, path: string, root: string): Promise<string> {
  const real = await realpath(file).catch((error: unknown) => {
    const what = systemCode(error) === 'ENOENT' ? 'a link that leads nowhere' : 'a link in a circle';
    throw new ThawError(
      'HANDLER_INVALID',
      `${path} is ${what}`,
      {file: path, reason: 'link'},
      {cause: error},
    );
  });
  if (real === root || real.startsWith(root + sep)) return real;
  const message = `${path} is a link that leads out of the project, to ${real}`;
  throw new ThawError('HANDLER_INVALID', message, {file: path, target: real, reason: 'link'});
}

function badName(path: string): ThawError {
  const message = `${JSON.stringify(path)} has a name that no image takes`;
  return new ThawError('HANDLER_INVALID', message, {file: path, reason: 'name'});
}

async function compile(sources: readonly Found[], compiler: Compiler): Promise<readonly Entry[]> {
  const workDir = await mkdtemp(join(tmpdir(), 'thaw-handler-'));
  try {
    const jobs = sources.map(({path, file}, nth) => ({
      source: file,
      target: join(workDir, `${nth}.pyc`),
      name: `/${IN_IMAGE}/${path}`,
    }));
    await compiler.compile(jobs);
    const entries: Entry[] = [];
    for (const [nth, {path}] of sources.entries()) {
      // What does not compile is said by whoever imports it.
      const bytes = await readFile(jobs[nth]!.target).catch(() => null);
      if (bytes !== null) entries.push(fileEntry(`${IN_IMAGE}/${bytecodePath(path, compiler)}`, {bytes}));
    }
    return entries;
  } finally {
    await rm(workDir, {recursive: true, force: true, maxRetries: 3});
  }
}
