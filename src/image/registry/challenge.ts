/** One way of proving who one is that a WWW-Authenticate header offers. */
export interface Challenge {
  /** In lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: {readonly [name: string]: string};
}

const TOKEN = String.raw`[!#$%&'*+.^_\x60|~0-9A-Za-z-]+`;
const SCHEME = new RegExp(`(${TOKEN})(?:\\s+|$)`, 'y');
const PARAMETER = new RegExp(`(${TOKEN})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s,"]*))`, 'y');
const SEPARATOR = /[\s,]*/y;

/** Reads WWW-Authenticate headers, of which each may hold several challenges. What makes no sense is left out. */
export function parseChallenges(header: string | readonly string[] | undefined): readonly Challenge[] {
  const lines = header === undefined ? [] : typeof header === 'string' ? [header] : header;
  return lines.flatMap(parseLine);
}

function parseLine(line: string): Challenge[] {
  const found: {scheme: string; parameters: {[name: string]: string}}[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(line);
    if (match) at = pattern.lastIndex;
    return match;
  };
  while (at < line.length) {
    take(SEPARATOR);
    const parameter = take(PARAMETER);
    const current = found.at(-1);
    if (parameter) {
      const [, name = '', quoted, plain = ''] = parameter;
      if (current) current.parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? plain;
      continue;
    }
    const scheme = take(SCHEME);
    if (!scheme) break;
    found.push({scheme: (scheme[1] ?? '').toLowerCase(), parameters: {}});
  }
  return found;
}
