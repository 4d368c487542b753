import {readFile} from 'node:fs/promises';
import {dirname, join, resolve} from 'node:path';
import type {Limits, SettingProblem} from '../core/driver.ts';
import {systemCode, ThawError} from '../core/errors.ts';
import type {Trigger} from '../core/function.ts';
import {sameJson, type Json, type JsonObject} from '../core/json.ts';
import {checkAgainst} from './check.ts';
import {completeConfig, optionsOf} from './complete.ts';
import type {Config, Settings} from './config.ts';
import {parseSource, type PlacedProblem, type Problem} from './document.ts';
import {settingsBeyond} from './limits.ts';
import {configSchema, PYTHON_HANDLER, SETTING_KEYS, settingsSchema, type WrittenSettings} from './schema.ts';

const CONFIG_FILE = 'thaw.yaml';

/** What the configuration has to ask of providers, which it does not know itself. */
export interface ProviderReader {
  readonly names: readonly string[];
  /**
   * What is wrong with a provider's own options, the labels that an image needs for them, its limits, and what it says
   * of triggers within them.
   */
  read(
    name: string,
    options: Json,
  ): Promise<{
    readonly problems: readonly Problem[];
    readonly labels: {readonly [name: string]: string};
    readonly limits: Limits;
    readonly triggerProblems: TriggerProblems;
  }>;
}

type TriggerProblems = (triggers: readonly Trigger[]) => readonly SettingProblem[];

/**
 * Finds thaw.yaml in a folder or above it.
 *
 * @throws ThawError CONFIG_NOT_FOUND
 */
export async function findConfig(fromDir: string): Promise<string> {
  for (let dir = resolve(fromDir); ; dir = dirname(dir)) {
    const file = join(dir, CONFIG_FILE);
    if ((await readIfPresent(file)) !== null) return file;
    if (dirname(dir) === dir) break;
  }
  throw new ThawError('CONFIG_NOT_FOUND', `no ${CONFIG_FILE} in ${resolve(fromDir)} or above it`, {
    dir: resolve(fromDir),
  });
}

/**
 * Reads thaw.yaml. Every mistake in it is reported at once.
 *
 * @throws ThawError CONFIG_NOT_FOUND; CONFIG_INVALID with `problems`, each with file, line and column
 */
export async function loadConfig(file: string, providers: ProviderReader): Promise<Config> {
  const text = await readIfPresent(file);
  if (text === null)
    throw new ThawError('CONFIG_NOT_FOUND', `there is no file ${file}`, {dir: dirname(file)});
  const source = parseSource(text, file);
  if (source.syntaxProblems.length > 0) throw invalid(file, source.syntaxProblems);

  const checked = checkAgainst(configSchema, source.value ?? {});
  const sections = await readSections(source.value, providers);
  const config = checked.value
    ? completeConfig(
        checked.value,
        sections.overrides,
        sections.labels,
        resolve(file),
        providers.names[0] ?? '',
      )
    : null;
  const problems = [...checked.problems, ...handlerProblems(source.value ?? {}), ...sections.problems];
  if (config) {
    problems.push(...defaultProblems(config, providers.names));
    problems.push(...limitProblems(config, sections.bounds, source.value));
  }
  if (problems.length > 0 || !config)
    throw invalid(
      file,
      problems.map((problem) => source.place(problem)),
    );
  return config;
}

interface Sections {
  readonly problems: readonly Problem[];
  readonly overrides: ReadonlyMap<string, WrittenSettings>;
  readonly labels: {readonly [name: string]: string};
  readonly bounds: ReadonlyMap<string, Bounds>;
}

/** What a provider takes. */
interface Bounds {
  readonly limits: Limits;
  readonly triggerProblems: TriggerProblems;
}

/** Reads the provider sections of a document that may be wrong elsewhere. */
async function readSections(document: unknown, providers: ProviderReader): Promise<Sections> {
  const problems: Problem[] = [];
  const overrides = new Map<string, WrittenSettings>();
  const labels: {[name: string]: string} = {};
  const bounds = new Map<string, Bounds>();
  for (const [name, section] of Object.entries(memberOf(document, 'providers') ?? {})) {
    const path = ['providers', name];
    const below = (problem: Problem): Problem => ({...problem, path: [...path, ...problem.path]});
    if (!providers.names.includes(name)) {
      problems.push({path, message: 'unknown provider', unknownKey: true, knownKeys: providers.names});
      continue;
    }
    const options = isObject(section) ? section : {};
    const read = await providers.read(name, optionsOf(options));
    problems.push(...read.problems.map(below).map(withSettingKeys));
    Object.assign(labels, read.labels);
    bounds.set(name, read);
    const stated = checkAgainst(settingsSchema, pickSettings(options));
    problems.push(...stated.problems.map(below));
    if (stated.value) overrides.set(name, stated.value);
  }
  return {problems, overrides, labels, bounds};
}

function defaultProblems(config: Config, names: readonly string[]): Problem[] {
  if (names.includes(config.default)) return [];
  return [{path: ['default'], message: `must be a provider: ${names.join(', ')}, not "${config.default}"`}];
}

/** What only a handler in Python can have, or be without. */
function handlerProblems(document: unknown): Problem[] {
  const handler = valueAt(document, ['handler']);
  if (typeof handler === 'string' && PYTHON_HANDLER.test(handler)) return [];
  const problems: Problem[] = [];
  if (valueAt(document, ['model']) === undefined) {
    const only = handler === undefined ? '' : ': only a handler in Python can load its own';
    problems.push({path: ['model'], message: `is missing${only}`});
  }
  if (valueAt(document, ['python']) !== undefined) {
    problems.push({path: ['python'], message: 'is for a handler in Python, and there is none'});
  }
  return problems;
}

/** Settings beyond what a provider takes, placed where they stand: in its section, or in the general part. */
function limitProblems(config: Config, bounds: ReadonlyMap<string, Bounds>, document: unknown): Problem[] {
  const refused = new Map(
    config.providers.flatMap(({name, settings}) => {
      const known = bounds.get(name);
      return known ? [[name, problemsFor(name, settings, known)] as const] : [];
    }),
  );
  /** Who has nothing against what stands there. */
  const takers = (path: Problem['path']): string[] =>
    [...refused]
      .filter(([, problems]) => !problems.some((each) => sameJson(each.path, path)))
      .map(([name]) => name);
  return [...refused].flatMap(([name, problems]) =>
    problems.map(({path, message, ...rest}) => {
      // A list of triggers stands in one place or the other, also where a member of one of them is missing.
      const stated = path[0] === 'triggers' ? path.slice(0, 1) : path;
      const special = ['providers', name, ...stated];
      if (valueAt(document, special) !== undefined) {
        return {...rest, message, path: ['providers', name, ...path]};
      }
      const elsewhere = takers(path).map((other) => `providers.${other}.${stated.join('.')}`);
      const advice =
        elsewhere.length === 0 ? '' : `; what is for others alone stands in ${elsewhere.join(', ')}`;
      return {...rest, message: `${message}${advice}`, path};
    }),
  );
}

function problemsFor(name: string, settings: Settings, {limits, triggerProblems}: Bounds): Problem[] {
  const beyond = settingsBeyond(limits, settings, name);
  // Of a trigger that it does not have, a provider has nothing to say.
  const unknown = beyond.flatMap(({path}) => (path[0] === 'triggers' ? [path[1]] : []));
  const refused = triggerProblems(settings.triggers).filter(
    ({path}) => path[0] !== 'triggers' || !unknown.includes(path[1]),
  );
  return [...beyond, ...refused];
}

function invalid(file: string, problems: readonly PlacedProblem[]): ThawError {
  const ordered = [...problems].sort((a, b) => a.line - b.line || a.column - b.column);
  const count = ordered.length === 1 ? 'a mistake' : `${ordered.length} mistakes`;
  const facts: JsonObject = {file, problems: ordered.map((problem) => ({...problem}))};
  return new ThawError('CONFIG_INVALID', `${file} has ${count}`, facts);
}

/** A driver knows its own keys; a section may also hold the settings it overrides. */
function withSettingKeys(problem: Problem): Problem {
  return problem.unknownKey
    ? {...problem, knownKeys: [...(problem.knownKeys ?? []), ...SETTING_KEYS]}
    : problem;
}

function pickSettings(section: {[key: string]: unknown}): {[key: string]: unknown} {
  return Object.fromEntries(SETTING_KEYS.filter((key) => key in section).map((key) => [key, section[key]]));
}

const isObject = (value: unknown): value is {[key: string]: unknown} =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function memberOf(value: unknown, key: string): {[key: string]: unknown} | undefined {
  const member = isObject(value) ? value[key] : undefined;
  return isObject(member) ? member : undefined;
}

function valueAt(document: unknown, path: readonly (string | number)[]): unknown {
  const step = (here: unknown, key: string | number): unknown =>
    Array.isArray(here) ? here[Number(key)] : isObject(here) ? here[String(key)] : undefined;
  return path.reduce(step, document);
}

async function readIfPresent(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(systemCode(error) ?? '')) return null;
    throw error;
  }
}
