import {ThawError} from '../core/errors.ts';
import {FUNCTION_NAME_RULE, isFunctionName, toFunctionName} from '../core/names.ts';
import type {Template} from './template.ts';

/** One file of a project to be: its path, relative and with `/`, and what goes into it. */
export type PlannedFile =
  | {readonly path: string; readonly content: Uint8Array}
  /** `copyOf` is a file of the user's, which may be too large to hold in memory. */
  | {readonly path: string; readonly copyOf: string};

/** A project to be: nothing is written yet. */
export interface ScaffoldPlan {
  readonly name: string;
  readonly files: readonly PlannedFile[];
}

/** A file with text in it. */
export function textFile(path: string, text: string): PlannedFile {
  return {path, content: new TextEncoder().encode(text)};
}

/**
 * A function's name, as given.
 *
 * @throws ThawError USAGE, with the nearest valid name as `suggestion`.
 */
export function parseName(text: string): string {
  if (isFunctionName(text)) return text;
  const suggestion = toFunctionName(text);
  throw new ThawError(
    'USAGE',
    `${JSON.stringify(text)} cannot be a function's name, which is ${FUNCTION_NAME_RULE}`,
    {name: text, rule: FUNCTION_NAME_RULE, suggestion},
  );
}

/**
 * The files of a project made from a template.
 *
 * @throws ThawError USAGE if the name is not valid.
 */
export function planScaffold(template: Template, answers: {readonly name: string}): ScaffoldPlan {
  const name = parseName(answers.name);
  const files = template.files.map(({path, content}) =>
    template.render.includes(path)
      ? textFile(path, renderName(new TextDecoder().decode(content), name))
      : {path, content},
  );
  return {name, files};
}

/**
 * Puts a function's name for `{{name}}`, and for `{{name-twin}}` that of a second function that belongs to it: cut where
 * it would be too long.
 */
function renderName(text: string, name: string): string {
  return text.replaceAll(/\{\{name(-[a-z]+)?\}\}/g, (_, suffix: string = '') => {
    const fitting = Array.from(name, (_, at) => name.slice(0, name.length - at) + suffix).find(
      isFunctionName,
    );
    return fitting ?? name;
  });
}
