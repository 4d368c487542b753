import {readdir, readFile} from 'node:fs/promises';
import {join, relative, sep} from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

/** A file of `src/`, taken apart as far as rules about it need. */
export interface SourceFile {
  /** From the repository's root, with `/`. */
  readonly path: string;
  /** The first folder under `src/`. */
  readonly folder: string;
  readonly text: string;
  /** The text with every comment blanked out. */
  readonly code: string;
  readonly imports: readonly Import[];
}

export interface Import {
  readonly specifier: string;
  /** Only types are taken, so that nothing is loaded. */
  readonly isType: boolean;
  /** Loaded when a function gets there, not when the file is. */
  readonly isLazy: boolean;
}

/** All files under a folder of the repository, from its root and with `/`. */
export async function listFiles(
  folder: string,
  skip: (name: string) => boolean = () => false,
): Promise<string[]> {
  const entries = await readdir(join(ROOT, folder), {withFileTypes: true});
  const found = await Promise.all(
    entries
      .filter(({name}) => !skip(name))
      .map(async (entry) => {
        const path = join(folder, entry.name);
        if (entry.isDirectory()) return listFiles(path, skip);
        return entry.isFile() ? [path] : [];
      }),
  );
  return found.flat().map((path) => path.split(sep).join('/'));
}

/** Reads and takes apart every TypeScript file of `src/`. */
export async function readSources(): Promise<SourceFile[]> {
  const paths = (await listFiles('src')).filter((path) => path.endsWith('.ts'));
  return Promise.all(
    paths.map(async (path) => {
      const text = await readFile(join(ROOT, path), 'utf8');
      const code = withoutComments(text);
      return {path, folder: path.split('/')[1] ?? '', text, code, imports: importsOf(code)};
    }),
  );
}

/** The file that a relative import means, from the repository's root. */
export function resolveImport(path: string, specifier: string): string {
  return relative(ROOT, join(ROOT, path, '..', specifier))
    .split(sep)
    .join('/');
}

/** What a file imports, in whatever way. */
export function importsOf(code: string): Import[] {
  const imports: Import[] = [];
  const clause = String.raw`^(?:import|export)\s+(type\s)?[^;'"()]*?from\s*`;
  const pattern = new RegExp(String.raw`(?:${clause}|\b(import)\s*\(\s*|^import\s*)(['"])([^'"\n]+)\3`, 'gm');
  for (const [, type, lazy, , specifier] of code.matchAll(pattern)) {
    imports.push({specifier: specifier ?? '', isType: type !== undefined, isLazy: lazy !== undefined});
  }
  return imports;
}

const TOKEN = new RegExp(
  [
    String.raw`(?<comment>\/\/[^\n]*|\/\*[\s\S]*?\*\/)`,
    String.raw`'(?:\\.|[^'\\\n])*'`,
    String.raw`"(?:\\.|[^"\\\n])*"`,
    '`(?:\\\\[\\s\\S]|[^`\\\\])*`',
    // A slash after one of these cannot divide, so a regular expression begins.
    String.raw`(?<=[(,=:[!&|?{};+>\n]\s*|return\s+)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/`,
  ].join('|'),
  'g',
);

/** Blanks out the comments of a TypeScript text and leaves strings and regular expressions as they are. */
export function withoutComments(text: string): string {
  return text.replace(TOKEN, (token, ...rest: unknown[]) => {
    const {comment} = rest.at(-1) as {comment?: string};
    return comment === undefined ? token : token.replace(/[^\n]/g, ' ');
  });
}

/** The words of identifiers and texts, in lower case: `AwsLambdaRole` is `aws`, `lambda` and `role`. */
export function wordsOf(code: string): Set<string> {
  const words = code.match(/[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*/g) ?? [];
  return new Set(words.map((word) => word.toLowerCase()));
}
