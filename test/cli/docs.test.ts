import {spawnSync} from 'node:child_process';
import {existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join, posix} from 'node:path';
import {fileURLToPath} from 'node:url';
import {describe, expect, test} from 'vitest';
import {renderJsonSchema} from '../../src/config/json-schema.ts';
import {configSchema} from '../../src/config/schema.ts';
import {EXIT_CODES} from '../../src/core/errors.ts';
import {loadDriver, PROVIDER_NAMES} from '../../src/providers/index.ts';
import {anchorsOf, blocksOf, linksOf, readPages, shellLinesOf, wordsOf, type Page} from './markdown.ts';
import {conforms, leafPathsOf, type JsonSchema} from './json-schema.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const topPages = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'].filter((file) =>
  existsSync(join(root, file)),
);
const pages = readPages(root, [...topPages, 'docs', 'templates']);

interface ManifestFlag {
  readonly name: string;
  readonly char?: string;
  readonly type: 'boolean' | 'option';
  readonly allowNo?: boolean;
  readonly options?: readonly string[];
}
interface ManifestCommand {
  readonly id: string;
  readonly strict?: boolean;
  readonly args: {readonly [name: string]: object};
  readonly flags: {readonly [name: string]: ManifestFlag};
}
const {commands} = JSON.parse(read('oclif.manifest.json')) as {
  commands: {readonly [id: string]: ManifestCommand};
};

test('every command has a page, and every page is of a command', () => {
  const names = readdirSync(join(root, 'docs', 'commands')).map((file) => file.replace(/\.md$/, ''));
  expect(names.sort()).toEqual(Object.keys(commands).sort());
});

test('what is generated from the code is fresh', () => {
  const {status, stderr} = spawnSync(process.execPath, ['scripts/docs.mjs', '--check'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(stderr).not.toContain('stale');
  expect(status).toBe(0);
});

test('every relative link leads to a file, and to a heading of it', () => {
  const broken = pages.flatMap((page) =>
    linksOf(page.text)
      .filter((link) => !/^[a-z]+:/i.test(link))
      .filter((link) => !leadsSomewhere(page, link))
      .map((link) => `${page.path}: ${link}`),
  );
  expect(broken).toEqual([]);
});

function leadsSomewhere(page: Page, link: string): boolean {
  const [file = '', anchor] = link.split('#');
  const path = file === '' ? page.path : posix.join(posix.dirname(page.path), file);
  if (!existsSync(join(root, path))) return false;
  return anchor === undefined || anchorsOf(read(path)).includes(anchor);
}

test('every page under docs can be reached from its index', () => {
  const reached = new Set<string>();
  const follow = (path: string): void => {
    if (reached.has(path) || !existsSync(join(root, path))) return;
    reached.add(path);
    if (!path.endsWith('.md')) return;
    for (const link of linksOf(read(path)).filter((link) => !/^[a-z]+:/i.test(link))) {
      follow(posix.join(posix.dirname(path), link.split('#')[0] ?? ''));
    }
  };
  follow('docs/README.md');
  const all = readPages(root, ['docs']).map(({path}) => path);
  expect(all.filter((path) => !reached.has(path))).toEqual([]);
});

describe('every thaw line in a shell block', () => {
  const lines = pages.flatMap((page) =>
    shellLinesOf(page.text).flatMap(({line, command}) =>
      wordsOf(command)
        .filter(([program]) => program === 'thaw')
        .map((words) => ({where: `${page.path}:${line}`, words: words.slice(1)})),
    ),
  );

  test('names a command, flags and arguments that exist', () => {
    expect(lines.length).toBeGreaterThan(20);
    const mistakes = lines.flatMap(({where, words}) =>
      mistakesIn(words).map((mistake) => `${where}: thaw ${words.join(' ')}: ${mistake}`),
    );
    expect(mistakes).toEqual([]);
  });

  test('would be found if it did not', () => {
    expect(mistakesIn(['deploi', 'local'])).toEqual(['there is no command deploi']);
    expect(mistakesIn(['deploy', 'lokal', '--jes'])).toEqual([
      'there is no flag --jes',
      'there is no provider lokal',
    ]);
    expect(mistakesIn(['invoke', 'local', 'local'])).toEqual(['takes 1 argument at most']);
  });
});

function mistakesIn([id = '', ...words]: readonly string[]): string[] {
  if (['', 'help', '--version', '--help'].includes(id)) return [];
  const command = commands[id];
  if (!command) return [`there is no command ${id}`];
  const flags = Object.values(command.flags);
  const mistakes: string[] = [];
  const positional: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (!/^-./.test(word)) {
      positional.push(word);
      continue;
    }
    const [spelled = '', value] = word.split(/=(.*)/s);
    const flag = flags.find(
      ({name, char, allowNo}) =>
        spelled === `--${name}` ||
        (char !== undefined && spelled === `-${char}`) ||
        (allowNo && spelled === `--no-${name}`),
    );
    if (spelled !== '--help' && !flag) mistakes.push(`there is no flag ${spelled}`);
    if (flag?.type === 'option' && value === undefined) i++;
  }
  const names = Object.keys(command.args);
  if (command.strict !== false && positional.length > names.length) {
    mistakes.push(`takes ${names.length} argument${names.length === 1 ? '' : 's'} at most`);
  }
  if (names[0] === 'provider') {
    const strangers = positional.filter((name) => !PROVIDER_NAMES.includes(name));
    mistakes.push(...strangers.map((name) => `there is no provider ${name}`));
  }
  return mistakes;
}

test('every error code that a page names exists, with the exit code that it says', () => {
  const rows = readPages(root, ['docs/commands', 'docs/exit-codes.md']).flatMap(({path, text}) =>
    [...text.matchAll(/^\| +(\d+) \| (`[A-Z_]+`(?:, `[A-Z_]+`)*) +\|/gm)].flatMap(
      ([, exitCode, codes = '']) =>
        [...codes.matchAll(/[A-Z_]+/g)].map(([code]) => ({path, code, exitCode: Number(exitCode)})),
    ),
  );
  expect(rows.length).toBeGreaterThan(20);
  const wrong = rows.filter(
    ({code, exitCode}) => (EXIT_CODES as {[code: string]: number})[code] !== exitCode,
  );
  expect(wrong).toEqual([]);
});

describe('the JSON Schema of thaw.yaml', () => {
  const schema = JSON.parse(read('docs/thaw.schema.json')) as JsonSchema;

  test('is the one that the code renders, with the options of every provider', async () => {
    const drivers = await Promise.all(PROVIDER_NAMES.map(loadDriver));
    const options = Object.fromEntries(drivers.map(({name, optionsSchema}) => [name, optionsSchema]));
    expect(schema).toEqual(renderJsonSchema(options));
  });

  test.each(readdirSync(join(root, 'templates')))('accepts the file of template %s', async (template) => {
    const {parse} = await import('yaml');
    const text = read(`templates/${template}/thaw.yaml`).replaceAll('{{name}}', 'a-name');
    expect(conforms(schema, parse(text))).toEqual([]);
  });

  test('accepts every example of configuration.md that is a whole file, and refuses its mistakes', async () => {
    const {parse} = await import('yaml');
    const examples = blocksOf(read('docs/configuration.md'))
      .filter(({language, text}) => language === 'yaml' && text.startsWith('name:'))
      .map(({text}) => parse(text) as {name: string});
    const [good, bad] = [
      examples.filter(({name}) => name === 'credit-scoring'),
      examples.filter(({name}) => name !== 'credit-scoring'),
    ];
    expect(good.length).toBeGreaterThan(0);
    for (const example of good) {
      expect(conforms(schema, example)).toEqual([]);
      expect(configSchema.safeParse(example).error).toBeUndefined();
    }
    expect(bad.map((example) => conforms(schema, example).length)).toEqual([
      expect.toSatisfy((n: number) => n >= 4),
    ]);
  });

  test('has no key that configuration.md or the page of a provider does not describe', () => {
    const described = [...read('docs/configuration.md').matchAll(/^\| `([\w.]+)`/gm)].map(([, key]) => key);
    const general = leafPathsOf(schema).filter((path) => !path.startsWith('providers.'));
    expect(general.filter((path) => !described.includes(path))).toEqual([]);
    for (const name of PROVIDER_NAMES) {
      const page = read(`docs/providers/${name}.md`);
      const own = Object.keys(schema.properties?.['providers']?.properties?.[name]?.properties ?? {}).filter(
        (key) => !(key in (schema.properties ?? {})),
      );
      expect(own.filter((key) => !page.includes(`| \`${key}\``))).toEqual([]);
    }
  });
});

test('the mistakes in configuration.md are reported as it shows', () => {
  const section = read('docs/configuration.md').split('## When something is wrong')[1] ?? '';
  const [written, shown] = blocksOf(section);
  const folder = join(mkdtempSync(join(tmpdir(), 'thaw-docs-')), 'credit-scoring');
  mkdirSync(folder);
  try {
    writeFileSync(join(folder, 'thaw.yaml'), `${written?.text}\n`);
    const {status, stderr} = spawnSync(process.execPath, [join(root, 'bin', 'run.js'), 'status'], {
      cwd: folder,
      encoding: 'utf8',
      env: {...process.env, NO_COLOR: '1'},
    });
    expect(
      stderr
        .replaceAll('\\', '/')
        .replaceAll(/(\S*)credit-scoring\/thaw\.yaml/g, '/home/you/credit-scoring/thaw.yaml')
        .trim(),
    ).toBe(shown?.text.trim());
    expect(status).toBe(EXIT_CODES.CONFIG_INVALID);
  } finally {
    rmSync(dirname(folder), {recursive: true, force: true});
  }
});
