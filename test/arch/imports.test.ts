import {isBuiltin} from 'node:module';
import {beforeAll, describe, expect, it} from 'vitest';
import {importsOf, readSources, resolveImport, withoutComments, wordsOf, type SourceFile} from './source.ts';

/** Folders that put the others together. */
const COMPOSERS = ['commands', 'cli'];

/** Packages that cost more than a few milliseconds to load: they are imported where they are used. */
const HEAVY = [
  '@inquirer/prompts',
  'cli-table3',
  'esbuild',
  'execa',
  'onnxruntime-common',
  'ora',
  'tar-stream',
  'undici',
  'yaml',
  'zod',
];

/** Words that name a cloud, its products, or a company that has one. */
const CLOUD_WORDS = [
  'amazon',
  'aws',
  'azure',
  'cloudwatch',
  'dynamodb',
  'ec2',
  'ecr',
  'eventbridge',
  'fargate',
  'gcp',
  'gcs',
  'gke',
  'google',
  'kinesis',
  'lambda',
  'pubsub',
  's3',
  'snapstart',
  'sns',
  'sqs',
];

/** Where code may name a cloud. */
const CLOUD_FOLDERS = ['providers', 'runtime'];

/** What may name a cloud elsewhere, and why. */
const CLOUD_EXCEPTIONS: {readonly [path: string]: {readonly words: readonly string[]; readonly why: string}} =
  {};

let sources: SourceFile[];
beforeAll(async () => {
  sources = await readSources();
});

const isRelative = (specifier: string): boolean => specifier.startsWith('.');
const folderOf = (path: string): string => path.split('/')[1] ?? '';

/** Each import of a file that leads to another file of `src/`, with that file. */
const inner = (file: SourceFile) =>
  file.imports
    .filter(({specifier}) => isRelative(specifier))
    .map((found) => ({...found, target: resolveImport(file.path, found.specifier)}));

const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

describe('the folders of src', () => {
  it('import no siblings: only the composers put modules together', () => {
    const wrong = sources
      .filter(({folder}) => !COMPOSERS.includes(folder))
      .flatMap((file) =>
        inner(file)
          .filter(({target}) => ![file.folder, 'core'].includes(folderOf(target)))
          .map(({target}) => `${file.path} imports ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  it('are not imported from outside src, and import nothing outside it', () => {
    const wrong = sources.flatMap((file) =>
      inner(file)
        .filter(({target}) => !target.startsWith('src/'))
        .map(({target}) => `${file.path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('of which core imports only itself and what Node has built in', () => {
    const wrong = sources
      .filter(({folder}) => folder === 'core')
      .flatMap((file) =>
        file.imports
          .filter(({specifier}) =>
            isRelative(specifier)
              ? folderOf(resolveImport(file.path, specifier)) !== 'core'
              : !isBuiltin(specifier),
          )
          .map(({specifier}) => `${file.path} imports ${specifier}`),
      );
    expect(wrong).toEqual([]);
  });

  it('of which runtime, which runs inside the container, imports nothing of the rest', () => {
    const wrong = sources
      .filter(({folder}) => folder === 'runtime')
      .flatMap((file) =>
        inner(file)
          .filter(({target}) => folderOf(target) !== 'runtime')
          .map(({target}) => `${file.path} imports ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  it('of which no provider imports another', () => {
    const providerOf = (path: string): string | undefined => /^src\/providers\/([^/]+)\//.exec(path)?.[1];
    const wrong = sources
      .filter(({path}) => providerOf(path) !== undefined)
      .flatMap((file) =>
        inner(file)
          .filter(
            ({target}) => target.startsWith('src/providers/') && providerOf(target) !== providerOf(file.path),
          )
          .map(({target}) => `${file.path} imports ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  it('import by full name, and only files that are there', () => {
    const paths = new Set(sources.map(({path}) => path));
    const wrong = sources.flatMap((file) =>
      inner(file)
        .filter(({target}) => target.endsWith('.ts') && !paths.has(target))
        .map(({target}) => `${file.path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe('clouds', () => {
  it('are named by the code of providers and runtime alone', () => {
    const wrong = sources
      .filter(({folder}) => !CLOUD_FOLDERS.includes(folder))
      .flatMap(({path, code}) => {
        const words = wordsOf(code);
        const allowed = CLOUD_EXCEPTIONS[path]?.words ?? [];
        return CLOUD_WORDS.filter((word) => words.has(word) && !allowed.includes(word)).map(
          (word) => `${path} names ${word}`,
        );
      });
    expect(wrong).toEqual([]);
  });

  it('are excepted only where the exception is still needed', () => {
    for (const [path, {words}] of Object.entries(CLOUD_EXCEPTIONS)) {
      const code = sources.find((file) => file.path === path)?.code ?? '';
      expect(
        words.filter((word) => !wordsOf(code).has(word)),
        path,
      ).toEqual([]);
    }
  });
});

describe('commands', () => {
  it('load nothing heavy before they run', () => {
    const byPath = new Map(sources.map((file) => [file.path, file]));
    const wrong = sources
      .filter(({folder}) => folder === 'commands')
      .flatMap((command) => {
        const seen = new Map([[command.path, command.path]]);
        const heavy: string[] = [];
        for (const [path, way] of seen) {
          for (const {specifier, isType, isLazy} of byPath.get(path)?.imports ?? []) {
            if (isType || isLazy) continue;
            if (HEAVY.includes(packageOf(specifier))) heavy.push(`${way} -> ${specifier}`);
            const target = isRelative(specifier) ? resolveImport(path, specifier) : null;
            if (target !== null && !seen.has(target)) seen.set(target, `${way} -> ${target}`);
          }
        }
        return heavy;
      });
    expect(wrong).toEqual([]);
  });
});

describe('every file of src', () => {
  it('leaves the console alone: what is printed goes through the terminal', () => {
    const wrong = sources.filter(({code}) => /\bconsole\s*\./.test(code)).map(({path}) => path);
    expect(wrong).toEqual([]);
  });

  it('has a name that says what it is about', () => {
    const vague = /(^|[/.-])(utils?|helpers?|common|managers?|misc)([/.-]|$)/i;
    expect(sources.map(({path}) => path).filter((path) => vague.test(path))).toEqual([]);
  });
});

describe('the reading of sources', () => {
  it('finds imports of every form', () => {
    const code = [
      "import {a} from './a.ts';",
      "import type {b} from './b.ts';",
      "import './c.ts';",
      "export * from './d.ts';",
      "const e = await import('./e.ts');",
      'import {\n  f,\n} from "./f.ts";',
      "export type {G} from './g.ts';",
    ].join('\n');
    expect(importsOf(code)).toEqual([
      {specifier: './a.ts', isType: false, isLazy: false},
      {specifier: './b.ts', isType: true, isLazy: false},
      {specifier: './c.ts', isType: false, isLazy: false},
      {specifier: './d.ts', isType: false, isLazy: false},
      {specifier: './e.ts', isType: false, isLazy: true},
      {specifier: './f.ts', isType: false, isLazy: false},
      {specifier: './g.ts', isType: true, isLazy: false},
    ]);
  });

  it('takes comments away and nothing else', () => {
    const code = "const a = 'http://x'; // aws\nconst r = /[\"'/]\\/\\//; /* gcp */ const t = `// ${a}`;";
    expect(withoutComments(code)).toBe(
      `const a = 'http://x';       \nconst r = /["'/]\\/\\//;           const t = \`// \${a}\`;`,
    );
  });

  it('tells the words of names apart', () => {
    expect([...wordsOf("AwsLambdaRole toS3 'gcp' AWS_REGION claws")]).toEqual([
      'aws',
      'lambda',
      'role',
      'to',
      's3',
      'gcp',
      'region',
      'claws',
    ]);
  });
});
