import {readdir, readFile} from 'node:fs/promises';
import {join, relative, sep} from 'node:path';
import {ThawError} from '../core/errors.ts';

/** What is known of a template before its files are read. */
export interface TemplateInfo {
  readonly name: string;
  readonly title: string;
  readonly description: string;
}

/** A template with its files: those in `render` have `{{name}}` replaced, the others are copied. */
export interface Template extends TemplateInfo {
  readonly render: readonly string[];
  readonly files: readonly {readonly path: string; readonly content: Uint8Array}[];
}

/** Describes a template, and is not a part of what it makes. */
const DESCRIPTION_FILE = 'template.json';

/** npm does not pack files of these names, so a template holds them under another. */
const STORED_AS = new Map([['_gitignore', '.gitignore']]);

/** The templates in a folder, by name: one folder each. */
export async function listTemplates(templatesDir: string): Promise<readonly TemplateInfo[]> {
  const folders = (await readdir(templatesDir, {withFileTypes: true})).filter((entry) => entry.isDirectory());
  const names = folders.map((folder) => folder.name).sort();
  return Promise.all(
    names.map(async (name) => {
      const {title, description} = await readDescription(join(templatesDir, name));
      return {name, title, description};
    }),
  );
}

/**
 * Reads a template with all its files.
 *
 * @throws ThawError TEMPLATE_UNKNOWN, with the known ones in the facts.
 */
export async function readTemplate(templatesDir: string, name: string): Promise<Template> {
  const known = await listTemplates(templatesDir);
  const info = known.find((template) => template.name === name);
  if (!info) {
    const names = known.map((template) => template.name);
    throw new ThawError('TEMPLATE_UNKNOWN', `there is no template ${JSON.stringify(name)}`, {
      template: name,
      known: names,
    });
  }
  const dir = join(templatesDir, name);
  const {render} = await readDescription(dir);
  const stored = (await readdir(dir, {withFileTypes: true, recursive: true}))
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => path !== DESCRIPTION_FILE)
    .sort();
  const files = await Promise.all(
    stored.map(async (path) => ({
      path: STORED_AS.get(path) ?? path,
      content: await readFile(join(dir, path)),
    })),
  );
  return {...info, render, files};
}

async function readDescription(dir: string): Promise<Omit<Template, 'name' | 'files'>> {
  return JSON.parse(await readFile(join(dir, DESCRIPTION_FILE), 'utf8')) as Omit<Template, 'name' | 'files'>;
}
