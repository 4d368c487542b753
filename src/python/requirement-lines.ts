/** One statement of a requirements file, as pip reads it. */
export type Statement =
  /** A package of an index, or a wheel by its address. */
  | {readonly kind: 'package'; readonly line: number; readonly text: string; readonly name: string}
  /** What has to be built: a folder, a repository, an archive of sources. */
  | {readonly kind: 'source'; readonly line: number; readonly text: string}
  | {readonly kind: 'wheel'; readonly line: number; readonly file: string}
  | {
      readonly kind: 'include' | 'constraint' | 'find-links';
      readonly line: number;
      readonly path: string;
    }
  /** Where to look, and what for. */
  | {readonly kind: 'option'; readonly line: number; readonly text: string};

const OPTION = /^(?<name>-[a-zA-Z]|--[a-z-]+)(?:\s*=\s*|\s+|(?<=^-[a-zA-Z]))(?<value>.*)$/;
/** Of what is decided here: only wheels, each held to its hash. */
const DECIDED = ['--no-binary', '--only-binary', '--prefer-binary', '--require-hashes', '--use-feature'];
const INCLUDE: {readonly [option: string]: 'include' | 'constraint' | 'find-links'} = {
  '-r': 'include',
  '--requirement': 'include',
  '-c': 'constraint',
  '--constraint': 'constraint',
  '-f': 'find-links',
  '--find-links': 'find-links',
};

/** Reads a requirements file into what it says. */
export function parseRequirements(text: string): readonly Statement[] {
  const statements: Statement[] = [];
  for (const {line, text: logical} of logicalLines(text)) {
    const statement = logical.startsWith('-') ? parseOption(line, logical) : parseRequirement(line, logical);
    if (statement !== null) statements.push(statement);
  }
  return statements;
}

/** Lines without comments; one that ends in a backslash goes on in the next. */
function logicalLines(text: string): readonly {line: number; text: string}[] {
  const lines: {line: number; text: string}[] = [];
  let begun = null as {line: number; text: string} | null;
  for (const [at, physical] of text.split(/\r?\n/).entries()) {
    const isComment = /^\s*#/.test(physical);
    const goesOn = !isComment && physical.endsWith('\\');
    const piece = isComment ? '' : goesOn ? physical.slice(0, -1) : physical;
    begun = {line: begun?.line ?? at + 1, text: `${begun?.text ?? ''}${piece}`};
    if (goesOn) continue;
    lines.push(begun);
    begun = null;
  }
  if (begun !== null) lines.push(begun);
  return lines
    .map(({line, text}) => ({line, text: text.replace(/(^|\s)#.*$/, '').trim()}))
    .filter(({text}) => text !== '');
}

function parseOption(line: number, text: string): Statement | null {
  const {name = text, value = ''} = OPTION.exec(text)?.groups ?? {};
  if (name === '-e' || name === '--editable') return {kind: 'source', line, text: value};
  if (DECIDED.includes(name)) return null;
  const kind = INCLUDE[name];
  return kind === undefined
    ? {kind: 'option', line, text: value === '' ? name : `${name} ${value}`}
    : {kind, line, path: value};
}

const NAME = /^(?<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*(?:@\s*(?<url>\S+))?/;

function parseRequirement(line: number, text: string): Statement {
  const isPath = /^(?:\.{1,2}(?:[\\/]|$)|[\\/~]|[A-Za-z]:[\\/]|file:)/.test(text);
  const isAddress = /^[a-z+]+:\/\//i.test(text);
  const bare = text.replace(/\s*;.*$/, '');
  if (isPath || (!isAddress && /^[^;@\s]+\.whl$/i.test(bare))) {
    if (/\.whl$/i.test(bare)) return {kind: 'wheel', line, file: bare.replace(/^file:(?:\/\/)?/, '')};
    return {kind: 'source', line, text: bare};
  }
  const {name, url} = NAME.exec(text)?.groups ?? {};
  const address = isAddress ? bare : url;
  if (address !== undefined && !/\.whl(?:[#?].*)?$/i.test(address)) return {kind: 'source', line, text: bare};
  if (isAddress) {
    const file = /\/(?<file>[^/]+)\.whl/.exec(bare)?.groups?.['file'] ?? bare;
    return {kind: 'package', line, text, name: normalizedName(file.split('-')[0]!)};
  }
  return {kind: 'package', line, text, name: normalizedName(name ?? text)};
}

/** A package's name as indexes compare names (PEP 503). */
export const normalizedName = (name: string): string => name.toLowerCase().replace(/[-_.]+/g, '-');

/** A requirement as a constraint: these take no extras. */
export const asConstraint = (requirement: string): string => requirement.replace(/\[[^\]]*\]/, '');
