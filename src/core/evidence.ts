import type {Digest} from './digest.ts';
import {PHASES, type Evidence, type Phase, type PhaseTimes} from './sample.ts';

/** The headers that prove something, and what they look like. */
const PROOF = {
  'thaw-boot': /^[\w.:-]{1,128}$/,
  'thaw-ordinal': /^[1-9]\d{0,14}$/,
  'thaw-boot-age': /^\d{1,12}(\.\d{1,20})?$/,
} as const;

/**
 * Reads what an instance said of itself from an answer's headers (names in lower case).
 *
 * Null unless boot id, ordinal and boot age are all there and well formed: half a proof is none. What is only
 * descriptive (the image, the phases) is left out where it is malformed. Never throws.
 */
export function parseEvidence(headers: {readonly [name: string]: string}): Evidence | null {
  const bootId = matching(PROOF['thaw-boot'], headers['thaw-boot']);
  const ordinal = matching(PROOF['thaw-ordinal'], headers['thaw-ordinal']);
  const bootAge = matching(PROOF['thaw-boot-age'], headers['thaw-boot-age']);
  if (bootId === null || ordinal === null || bootAge === null) return null;
  return {
    bootId,
    ordinal: Number(ordinal),
    bootAgeMs: Number(bootAge),
    image: matching(/^sha256:[0-9a-f]{64}$/, headers['thaw-image']) as Digest | null,
    restored: headers['thaw-restored'] === '1',
    restarted: headers['thaw-restarted'] === '1',
    phases: parseServerTiming(headers['server-timing'] ?? ''),
  };
}

/**
 * The names of the headers for want of which evidence is none: missing or malformed, while others came. An answer
 * without any of them does not claim to prove anything.
 */
export function unreadableEvidence(headers: {readonly [name: string]: string}): readonly string[] {
  const proofs = Object.entries(PROOF);
  if (proofs.every(([name]) => headers[name] === undefined)) return [];
  return proofs.filter(([name, pattern]) => matching(pattern, headers[name]) === null).map(([name]) => name);
}

/**
 * Reads the durations of thaw's phases from a `Server-Timing` header, in milliseconds. Other metrics, other
 * parameters and anything malformed are passed over; of a metric named twice the first counts.
 */
export function parseServerTiming(header: string): PhaseTimes {
  const times: {[P in Phase]?: number} = {};
  for (const metric of splitOutsideQuotes(header, ',')) {
    const [name = '', ...parameters] = splitOutsideQuotes(metric, ';').map((part) => part.trim());
    const phase = PHASES.find((known) => known === name);
    if (phase === undefined || times[phase] !== undefined) continue;
    for (const parameter of parameters) {
      const duration = /^dur\s*=\s*"?(\d{1,12}(?:\.\d{1,20})?)"?$/i.exec(parameter)?.[1];
      if (duration !== undefined) times[phase] ??= Number(duration);
    }
  }
  return times;
}

const matching = (pattern: RegExp, value: string | undefined): string | null =>
  value !== undefined && pattern.test(value) ? value : null;

/** Splits at a separator, but not inside a quoted string, in which a backslash escapes. */
function splitOutsideQuotes(text: string, separator: ',' | ';'): string[] {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    if (quoted && text[i] === '\\') i++;
    else if (text[i] === '"') quoted = !quoted;
    else if (!quoted && text[i] === separator) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, text.slice(start)];
}
