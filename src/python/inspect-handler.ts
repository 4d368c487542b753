import {join} from 'node:path';
import {ThawError} from '../core/errors.ts';
import type {JsonObject} from '../core/json.ts';
import type {Python} from './python.ts';
import type {RunProgram} from './run.ts';

/** What a handler file holds and needs, as its text alone tells. Paths are relative to its folder, with `/`. */
export interface HandlerInspection {
  /** The version of the Python that read it. */
  readonly python: string;
  readonly serving: {
    readonly name: string;
    /** A `value` is made by code that was not looked into. */
    readonly kind: 'function' | 'class' | 'value';
    readonly line: number;
    /** Whether it is called with a whole event, or with a request's JSON. */
    readonly takes: 'event' | 'input';
  };
  /** What it expects of an event: the fields of an HTTP request, or the input itself. Null if it takes none. */
  readonly event: 'http' | 'direct' | null;
  /** What it looks up in a request's JSON, as far as that can be seen. */
  readonly requestKeys: readonly string[];
  /** The file itself, and the project's own modules that it imports, one by another. */
  readonly modules: readonly string[];
  /** Its own packages, and folders that its texts name: all in them belongs to it. */
  readonly folders: readonly string[];
  /** Other files that its texts name. */
  readonly files: readonly string[];
  /** Files of models that its texts name, and that are not there. */
  readonly absent: readonly {readonly path: string; readonly file: string; readonly line: number}[];
  readonly packages: readonly HandlerPackage[];
}

/** A package that a handler imports. */
export interface HandlerPackage {
  /** The distribution, as it is installed by. */
  readonly name: string;
  /** The version that is installed here; null if none is, or a build that no index has. */
  readonly version: string | null;
  /** Whether the name is that of what is installed, one that is known, or just the module's. */
  readonly source: 'installed' | 'known' | 'guessed';
  /** The module that is imported, and where it is first. */
  readonly module: string;
  readonly file: string;
  readonly line: number;
  /** Whether the handler goes on without it. */
  readonly optional: boolean;
}

const ANSWER_MS = 60_000;

/**
 * Reads a Python handler, without running anything of it.
 *
 * @param root the folder that its paths shall be relative to
 * @param file the handler, relative to it and with `/`
 * @param name what serves in it, if that is known
 * @throws ThawError HANDLER_INVALID with the fact `reason`: `syntax` (with `file`, `line`, `column`), `none`, `several`
 *   or `name-missing` (with `known`), `nested` (with `folder`), `unreadable`; INTERRUPTED
 */
export async function inspectHandler(
  {root, file, name}: {readonly root: string; readonly file: string; readonly name: string | null},
  python: Pick<Python, 'command'>,
  {
    run,
    signal,
    programsDir,
  }: {readonly run: RunProgram; readonly signal: AbortSignal; readonly programsDir: string},
): Promise<HandlerInspection> {
  const end = await run(python.command, [join(programsDir, 'thaw_handler.py')], {
    signal,
    input: inputOf({root, file, name}),
    timeoutMs: ANSWER_MS,
    env: {PYTHONIOENCODING: 'utf-8', PYTHONDONTWRITEBYTECODE: '1'},
  });
  const answer = end.exitCode === 0 ? parseHandlerAnswer(end.stdout) : null;
  if (answer !== null) return answer;
  const lastLines = end.stderr.trim().split(/\r?\n/).slice(-8);
  const message = `${file} could not be read by ${python.command}: ${lastLines.at(-1) || 'it says nothing'}`;
  throw new ThawError('HANDLER_INVALID', message, {reason: 'unreadable', file, lastLines});
}

async function* inputOf(request: JsonObject): AsyncIterable<Uint8Array> {
  yield Buffer.from(JSON.stringify(request));
}

/**
 * Reads what the inspecting program says; null if it is none of its answers.
 *
 * @throws ThawError HANDLER_INVALID
 */
export function parseHandlerAnswer(stdout: string): HandlerInspection | null {
  let answer: JsonObject;
  try {
    answer = JSON.parse(stdout) as JsonObject;
  } catch {
    return null;
  }
  const {ok, message, ...rest} = answer;
  if (ok === true) return rest as unknown as HandlerInspection;
  if (ok !== false || typeof message !== 'string') return null;
  const facts = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
  throw new ThawError('HANDLER_INVALID', message, facts);
}
