import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';

/** A fenced block of a page. */
export interface Block {
  readonly language: string;
  readonly text: string;
  /** Counted from 1: the fence's own line. */
  readonly line: number;
}

/** A Markdown page of the repository. */
export interface Page {
  /** Relative to the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** Every page of some files and folders; folders are searched through. */
export function readPages(root: string, places: readonly string[]): Page[] {
  return places.flatMap((place) => {
    if (place.endsWith('.md')) return [{path: place, text: readFileSync(join(root, place), 'utf8')}];
    const files = readdirSync(join(root, place), {recursive: true, encoding: 'utf8'});
    return files
      .map((file) => `${place}/${file.replaceAll('\\', '/')}`)
      .filter((path) => path.endsWith('.md'))
      .sort()
      .map((path) => ({path, text: readFileSync(join(root, path), 'utf8')}));
  });
}

/** The fenced blocks of a page, in order. */
export function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let open: {language: string; line: number; lines: string[]} | null = null;
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^\s*```(\w*)/.exec(line);
    if (!fence) open?.lines.push(line);
    else if (open === null) open = {language: fence[1] ?? '', line: index + 1, lines: []};
    else {
      blocks.push({language: open.language, line: open.line, text: open.lines.join('\n')});
      open = null;
    }
  }
  return blocks;
}

/** A page without its fenced blocks and code spans. */
export function proseOf(text: string): string {
  return text.replace(/^\s*```[\s\S]*?^\s*```/gm, '').replace(/`[^`\n]*`/g, '');
}

/** Where the links of a page lead. */
export function linksOf(text: string): string[] {
  return [...proseOf(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? '');
}

/** The anchors of a page's headings, as code hosts make them. */
export function anchorsOf(text: string): string[] {
  const prose = text.replace(/^\s*```[\s\S]*?^\s*```/gm, '');
  return [...prose.matchAll(/^#{1,6} (.+)$/gm)].map(([, title]) =>
    (title ?? '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}

/** The shell lines of a page: all of a `sh` block, of a `console` block those after a `$`. */
export function shellLinesOf(text: string): {readonly line: number; readonly command: string}[] {
  return blocksOf(text).flatMap(({language, text, line}) => {
    if (!['sh', 'console', 'bash'].includes(language)) return [];
    return text.split('\n').flatMap((raw, index) => {
      const command = language === 'console' ? (/^\$ (.*)$/.exec(raw)?.[1] ?? '') : raw.trim();
      return command === '' ? [] : [{line: line + 1 + index, command}];
    });
  });
}

/** Splits a shell line into simple commands and these into words, as far as documentation needs it. */
export function wordsOf(command: string): string[][] {
  const commands: string[][] = [[]];
  const tokens = command.matchAll(/\s+|#.*|\$\(|\)|\|\|?|&&|;|>>?|((?:'[^']*'|"[^"]*"|[^\s'"|&;()>])+)/g);
  for (const [token, word] of tokens) {
    if (word !== undefined) commands.at(-1)?.push(word.replace(/'([^']*)'|"([^"]*)"/g, '$1$2'));
    else if (token.startsWith('#')) break;
    else if (token.trim() !== '') commands.push([]);
  }
  return commands.filter((words) => words.length > 0);
}
