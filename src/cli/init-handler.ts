import {lstat, stat} from 'node:fs/promises';
import {basename, dirname, isAbsolute, join, relative, resolve, sep} from 'node:path';
import {systemCode, ThawError} from '../core/errors.ts';
import type {Model} from '../core/model.ts';
import {runCommand} from '../docker/command-line.ts';
import {readModel} from '../model/read.ts';
import {choosePython} from '../python/choose-python.ts';
import {inspectHandler, type HandlerInspection} from '../python/inspect-handler.ts';
import {minorOf, type Python} from '../python/python.ts';
import {readHandlerFiles, readListedPackages, type ListedPackages} from '../scaffold/handler-files.ts';
import type {PlannedFile, ScaffoldPlan} from '../scaffold/plan.ts';
import {unlisted} from '../scaffold/requirements.ts';
import {planWrapHandler} from '../scaffold/wrap-handler.ts';
import {planModelFiles} from '../scaffold/wrap.ts';
import type {Terminal} from './terminal.ts';

/** A handler file to make a project of. */
export interface HandlerRequest {
  /** `FILE`, or `FILE:NAME`. */
  readonly handler: string;
  /** The ONNX file that the handler is given; null if it has its own. */
  readonly model: string | null;
  readonly name: string;
  /** The project's folder, absolute. */
  readonly target: string;
  /** The Python to read it with; null: the one that is found. */
  readonly python: string | null;
  /** Where thaw's Python programs lie. */
  readonly programsDir: string;
  readonly signal: AbortSignal;
}

/** A project around a handler, and what was found out about it. */
export interface HandlerProject {
  readonly plan: ScaffoldPlan;
  /** Whether the handler lies in the project's folder already: nothing of the user's is touched there. */
  readonly inPlace: boolean;
  readonly python: Python;
  readonly inspection: HandlerInspection;
  readonly listed: ListedPackages | null;
  /** Relative to the project's folder, with `/`. */
  readonly file: string;
}

/** A Python file, and perhaps the name of what serves in it. */
const HANDLER = /^(?<file>.+\.py)(?::(?<name>[A-Za-z_]\w*))?$/;

/**
 * Looks at a handler and plans the project around it.
 *
 * @throws ThawError HANDLER_INVALID, PYTHON_UNAVAILABLE, MODEL_NOT_FOUND, MODEL_INVALID, INTERRUPTED
 */
export async function planHandlerProject(request: HandlerRequest): Promise<HandlerProject> {
  const {name, target, programsDir, signal} = request;
  const {path, serving} = parseHandler(request.handler);
  await checkFile(path);
  const inPlace = isBelow(target, path);
  const root = inPlace ? target : dirname(path);
  const file = slashed(relative(root, path));

  const tools = {run: runCommand, signal, programsDir, env: process.env};
  const python = await choosePython({named: request.python, version: null, provided: []}, tools);
  const inspection = await inspectHandler({root, file, name: serving}, python, tools);
  const listed = await readListedPackages(root);
  const model = request.model === null ? null : await planModel(resolve(request.model), target);
  const plan = planWrapHandler({
    ...inspection,
    name,
    file,
    pythonVersion: minorOf(python.version),
    requirements: listed?.file ?? null,
    files: [...(inPlace ? [] : await copiedFiles(root, inspection, listed)), ...(model?.files ?? [])],
    model,
  });
  return {plan, inPlace, python, inspection, listed, file};
}

function parseHandler(written: string): {readonly path: string; readonly serving: string | null} {
  const {file, name = null} = HANDLER.exec(written)?.groups ?? {};
  if (file !== undefined) return {path: resolve(file), serving: name};
  throw new ThawError('HANDLER_INVALID', `${written} is no Python file, which is what --handler wraps`, {
    reason: 'no-python',
    file: written,
  });
}

async function checkFile(path: string): Promise<void> {
  try {
    if ((await stat(path)).isFile()) return;
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) throw error;
  }
  throw new ThawError('HANDLER_INVALID', `there is no file ${path}`, {reason: 'missing', file: path});
}

async function copiedFiles(
  root: string,
  {modules, files, folders}: HandlerInspection,
  listed: ListedPackages | null,
): Promise<readonly PlannedFile[]> {
  return readHandlerFiles(root, {files: [...modules, ...files, ...(listed?.files ?? [])], folders});
}

/** A model that lies in the project stays where it is; any other is copied. */
async function planModel(
  path: string,
  target: string,
): Promise<{readonly path: string; readonly files: readonly PlannedFile[]; readonly info: Model}> {
  const info = await readModel(path);
  if (isBelow(target, path)) return {path: slashed(relative(target, path)), files: [], info};
  return {...planModelFiles(path, info), info};
}

function isBelow(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

const slashed = (path: string): string => path.split(sep).join('/');

/**
 * Leaves of a plan out what the user has in the folder already, whatever is in it. Only a thaw.yaml is not left out:
 * what has one is a project.
 */
export async function withoutOwnFiles(
  plan: ScaffoldPlan,
  target: string,
): Promise<{readonly plan: ScaffoldPlan; readonly kept: readonly string[]}> {
  const isThere = (path: string): Promise<boolean> =>
    lstat(join(target, path)).then(
      () => true,
      () => false,
    );
  const kept = new Set<string>();
  for (const {path} of plan.files) if (path !== 'thaw.yaml' && (await isThere(path))) kept.add(path);
  return {plan: {...plan, files: plan.files.filter(({path}) => !kept.has(path))}, kept: [...kept]};
}

/**
 * Says what was found in a handler, and what the user should look at.
 *
 * @param samples whether a request to fill in was written
 */
export function tellHandler(
  {inspection, python, listed, file}: HandlerProject,
  samples: boolean,
  terminal: Terminal,
): void {
  const {serving, event, packages, requestKeys, absent} = inspection;
  terminal.note(`  ${file}:${serving.name} is called with ${CALLED_WITH[event ?? 'input']}`);
  if (listed === null) {
    const names = packages.map(({name, version}) => (version === null ? name : `${name} ${version}`));
    terminal.note(
      names.length === 0
        ? '  it imports no packages'
        : `  it imports ${names.join(', ')}, of Python ${python.version}: ${python.executable}`,
    );
    for (const {name, module, source, optional} of packages) {
      if (source === 'guessed' && !optional) {
        terminal.warning(`that ${module} comes from a package ${name} is a guess: check requirements.txt`);
      }
    }
  } else {
    const missing = listed.file === 'requirements.txt' ? unlisted(listed.text, packages) : [];
    for (const {name, module, file: from, line} of missing) {
      terminal.warning(`${listed.file} does not name ${name}: ${from}:${line} imports ${module}`);
    }
  }
  for (const {path, file: from, line} of absent) {
    terminal.warning(`${from}:${line} names ${basename(path)}, and there is no ${path} beside it`);
  }
  if (!samples) return;
  terminal.note(
    requestKeys.length === 0
      ? '  samples/request.json is empty: put a request there'
      : `  samples/request.json asks for ${requestKeys.join(', ')}, without values: put them there`,
  );
}

const CALLED_WITH = {
  http: 'events of HTTP requests',
  direct: "a request's JSON as its event",
  input: "a request's JSON",
};
