import {isMap, isNode, isPair, isScalar, LineCounter, parseDocument, type Document} from 'yaml';
import type {SettingProblem} from '../core/driver.ts';
import {nearest} from './nearest.ts';

/** A mistake in thaw.yaml, by where it is in the document's structure. */
export interface Problem extends SettingProblem {
  /** The last element of the path is a key that should not be there. */
  readonly unknownKey?: boolean;
  readonly knownKeys?: readonly string[];
}

/** A mistake in thaw.yaml, by where it is in the text. */
export interface PlacedProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly message: string;
  readonly nearest: string | null;
}

/** A YAML text that still knows where everything stood. */
export interface SourceDocument {
  readonly value: unknown;
  /** Mistakes of the YAML syntax itself. */
  readonly syntaxProblems: readonly PlacedProblem[];
  place(problem: Problem): PlacedProblem;
}

/** Parses YAML without throwing: what is wrong with it comes back as problems. */
export function parseSource(text: string, file: string): SourceDocument {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {lineCounter, uniqueKeys: true});
  const at = (offset: number): {line: number; column: number} => {
    const {line, col} = lineCounter.linePos(offset);
    return {line: Math.max(line, 1), column: Math.max(col, 1)};
  };
  return {
    value: document.errors.length > 0 ? null : document.toJS(),
    syntaxProblems: document.errors.map((error) => ({
      file,
      ...at(error.pos[0]),
      path: '',
      nearest: null,
      message: (error.message.split('\n')[0] ?? '').replace(/ at line \d+.*$/, ''),
    })),
    place: (problem) => ({
      file,
      ...at(offsetOf(document, problem)),
      path: problem.path.join('.'),
      message: problem.message,
      nearest: problem.unknownKey
        ? (nearest(String(problem.path.at(-1)), problem.knownKeys ?? []) ?? null)
        : null,
    }),
  };
}

/** Where a problem starts: its key if the key is wrong, else its value, else the nearest thing around it. */
function offsetOf(document: Document, problem: Problem): number {
  for (let depth = problem.path.length; depth >= 0; depth--) {
    const path = problem.path.slice(0, depth);
    const pair = pairAt(document, path);
    const whole = depth === problem.path.length;
    const keyRange = isNode(pair?.key) ? pair.key.range : undefined;
    if (keyRange && (!whole || problem.unknownKey)) return keyRange[0];
    const node = depth === 0 ? document.contents : document.getIn(path, true);
    if (isNode(node) && node.range) return node.range[0];
    if (keyRange) return keyRange[0];
  }
  return 0;
}

function pairAt(document: Document, path: readonly (string | number)[]) {
  if (path.length === 0) return undefined;
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (!isMap(parent)) return undefined;
  return parent.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === path.at(-1));
}
