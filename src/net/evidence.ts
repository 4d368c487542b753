import type {Digest} from '../core/digest.ts';
import {PHASES, type Evidence, type Phase, type PhaseTimes} from '../core/sample.ts';

/**
 * Reads what an instance said of itself from an answer's headers (names in lower case).
 *
 * Null unless boot id, ordinal and boot age are all there and well formed: half a proof is none. What is only
 * descriptive (the image, the phases) is left out where it is malformed. Never throws.
 */
export function parseEvidence(headers: {readonly [name: string]: string}): Evidence | null {
  const bootId = matching(/^[\w.:-]{1,128}$/, headers['thaw-boot']);
  const ordinal = matching(/^[1-9]\d{0,14}$/, headers['thaw-ordinal']);
  const bootAge = matching(/^\d{1,12}(\.\d{1,20})?$/, headers['thaw-boot-age']);
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
