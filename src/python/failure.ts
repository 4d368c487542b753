import {ThawError} from '../core/errors.ts';
import type {JsonObject} from '../core/json.ts';
import {describeTarget, markersOf, type LockTarget} from './target.ts';

export const NO_NETWORK =
  /NewConnectionError|Failed to establish|Temporary failure in name resolution|Name or service not known|getaddrinfo|ConnectTimeout|ProxyError|Failed to fetch|dns error/i;
export const NO_SPACE = /No space left on device|not enough space on the disk/i;
const NO_ENTRY =
  /\b(?:HTTP error |HTTP status client error \(|)(401|403)\b.{0,40}(?:Error|Unauthorized|Forbidden)/i;
const HASH = /DO NOT MATCH THE HASHES|Hash mismatch/i;
const UNHASHED =
  /Hashes are required in --require-hashes|all requirements must have (?:their versions pinned|a hash)/i;
const LINES_MAX = 12;

/** What went wrong, and in which words. */
export interface Diagnosis {
  readonly reason: string;
  readonly message: string;
  readonly facts?: JsonObject;
}

/**
 * Says why uv or pip brought no packages.
 *
 * @param said all that it said, without credentials
 * @param source what was asked for: the requirements file, as the user knows it
 * @param more what it said when it was asked again
 */
export function explainFailure(
  said: string,
  {installer, target, source}: {installer: string; target: LockTarget; source: string},
  more = '',
): ThawError {
  const {reason, message, facts} = diagnose(`${said}\n${more}`, target);
  const lastLines = said.trim().split(/\r?\n/).slice(-LINES_MAX);
  return new ThawError('PACKAGES_UNAVAILABLE', `${source}: ${message}`, {
    installer,
    reason,
    platform: target.platform,
    version: target.version,
    lastLines,
    ...facts,
  });
}

/** What the words of pip or uv mean. */
export function diagnose(said: string, target: LockTarget): Diagnosis {
  if (NO_SPACE.test(said)) return {reason: 'disk', message: 'no space left on the disk'};
  if (HASH.test(said)) return diagnoseHash(said);
  if (UNHASHED.test(said)) {
    const message = 'it holds some packages to hashes, and others that are needed have none there';
    return {reason: 'unhashed', message};
  }
  // Both say that a package is not there where they could not ask, or were not let in.
  const status = NO_ENTRY.exec(said)?.[1];
  if (status !== undefined) {
    return {reason: 'credentials', message: `the package index does not let pip or uv in (${status})`};
  }
  if (NO_NETWORK.test(said)) return {reason: 'network', message: 'the package index cannot be reached'};
  return diagnoseUv(said, target) ?? diagnosePip(said, target);
}

function diagnoseHash(said: string): Diagnosis {
  const name =
    /^\s+(?<name>[\w.-]+==\S+) from\b/m.exec(said)?.groups?.['name'] ??
    /Hash mismatch for `(?<name>[^`]+)`/i.exec(said)?.groups?.['name'] ??
    'a package';
  const message = `${name} is not what it was when it was locked: its hash differs`;
  return {reason: 'hash', message, facts: {package: name}};
}

/** uv says in a sentence what does not fit, and sometimes in a hint what there is instead. */
function diagnoseUv(said: string, target: LockTarget): Diagnosis | null {
  const plain = said.replace(/[│╰─▶├]/g, ' ').replace(/\s+/g, ' ');
  const because = /\bBecause .*?(?:unsatisfiable\.|(?=\bhint:)|$)/.exec(plain)?.[0].trim();
  if (because === undefined) return null;
  const hint = /\bhint: (.*?)(?=\bhint:|$)/.exec(plain)?.[1]?.trim();
  const words = because
    .replace(/^Because /, '')
    .replace(/,? we can conclude that .*?(?:\. And because |\.?$)/g, '; ')
    .replace(/; $/, '');
  const where = describeTarget(target);
  const named =
    /(\S+?)(?:==\S+|[<>~!]=?\S+)? (?:was not found|has no|have no)/.exec(words)?.[1] ??
    /versions? of (\w[\w.-]*)/.exec(words)?.[1];
  const facts = {...(named === undefined ? {} : {package: named}), ...(hint === undefined ? {} : {hint})};
  if (/was not found in (?:the package registry|the provided)/.test(because)) {
    return {reason: 'no-package', message: `there is no package ${named}`, facts};
  }
  if (/no usable wheels/.test(because)) {
    const message = `${nameAndVersion(words) ?? named} has no wheel for ${where}, only source code`;
    return {reason: 'source-only', message, facts};
  }
  if (/no wheels with a matching|no wheels are available/.test(because)) {
    const message = `${nameAndVersion(words) ?? named} has no wheel for ${where}${hint === undefined ? '' : `: ${hint}`}`;
    return {reason: 'no-wheel', message, facts};
  }
  if (/^there (?:is|are) (?:no|only)/.test(words) && !/depends on/.test(words)) {
    return {reason: 'no-package', message: words.replace(/ and you require .*$/, ''), facts};
  }
  return {reason: 'conflict', message: `these cannot be installed together: ${words}`, facts};
}

const nameAndVersion = (words: string): string | undefined =>
  /^(?:all versions of )?(\S+) (?:has|have) no/.exec(words)?.[1];

function diagnosePip(said: string, target: LockTarget): Diagnosis {
  const conflict = /The conflict is caused by:\n(?<sides>(?:[ \t]+\S.*\n?)+)/.exec(said)?.groups?.['sides'];
  if (conflict !== undefined) {
    const sides = conflict.trim().split(/\s*\n\s*/);
    const message = `these cannot be installed together: ${sides.join('; ')}`;
    return {reason: 'conflict', message, facts: {sides}};
  }
  const missing = missingOf(said);
  if (missing !== null) return diagnoseCandidates(missing, said, target);
  const line = said
    .trim()
    .split(/\r?\n/)
    .findLast((each) => /error/i.test(each));
  return {reason: 'failed', message: line?.trim() ?? 'the installer says nothing'};
}

/** The requirement that pip finds nothing for. */
export function missingOf(said: string): string | null {
  const match = /No matching distribution found for ([^\s;(]+)|satisfies the requirement ([^\s;(]+)/.exec(
    said,
  );
  return match?.[1] ?? match?.[2] ?? null;
}

/** Files of a package that pip passed over, and why: it tells that when it is asked twice to be verbose. */
const SKIPPED =
  /Skipping link: (?<why>No sources permitted|none of the wheel's tags \([^)]*\)|[^:]*): \S*?(?<file>[^/\s#]+)(?:#\S*)? \(from/g;

function diagnoseCandidates(missing: string, said: string, target: LockTarget): Diagnosis {
  const [, name = missing, version = null] = /^([\w.-]+)(?:\[[^\]]*\])?(?:==([^\s,]+))?/.exec(missing) ?? [];
  const skipped = [...said.matchAll(SKIPPED)].flatMap(({groups}) => {
    const {why = '', file = ''} = groups ?? {};
    const isOther = version !== null && !file.replaceAll('_', '-').includes(`-${version}`);
    return isOther ? [] : [{file, isSource: why.startsWith('No sources')}];
  });
  const wheels = skipped.filter(({isSource}) => !isSource).map(({file}) => file);
  const what = version === null ? name : `${name} ${version}`;
  const where = describeTarget(target);
  const versions = /\(from versions: (?<versions>[^)]*)\)/.exec(said)?.groups?.['versions'] ?? 'none';
  const others = versions === 'none' || versions === '' ? [] : versions.split(', ').slice(-SHOWN_MAX);
  // Of a range, the wheels that were passed over tell nothing.
  if (others.length > 0 && (version === null || wheels.length === 0)) {
    const message = `there is no ${missing} for ${where}; there is ${others.join(', ')}`;
    return {reason: 'no-package', message, facts: {package: name, versions: others}};
  }
  if (wheels.length > 0) {
    const tags = [
      ...new Set(
        wheels.map((wheel) =>
          wheel
            .replace(/\.whl$/, '')
            .split('-')
            .slice(-3)
            .join('-'),
        ),
      ),
    ];
    // Of many, those tell most that are for the same processor, or the same Python.
    const machine = markersOf(target)['platform_machine']!;
    const near = tags.filter(
      (tag) => tag.includes(machine) || tag.startsWith(`cp${target.version.replace('.', '')}-`),
    );
    const shown = (near.length > 0 ? near : tags).slice(-SHOWN_MAX);
    const message = `${what} has no wheel for ${where}; there are some for ${shown.join(', ')}`;
    return {reason: 'no-wheel', message, facts: {package: name, wheels: shown}};
  }
  if (skipped.length > 0) {
    const message = `${what} has no wheel for ${where}, only source code`;
    return {reason: 'source-only', message, facts: {package: name}};
  }
  return {reason: 'no-package', message: `there is no package ${what}`, facts: {package: name}};
}

const SHOWN_MAX = 6;
