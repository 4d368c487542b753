import {shortDigest} from '../core/digest.ts';
import type {Json, JsonObject} from '../core/json.ts';
import {changesBetween, type Change, type Plan, type Step} from '../core/plan.ts';

type Mark = '+' | '~' | '-' | '.';

/**
 * Renders a plan as plain text, one line a step and one line a change under it: `+` is new, `~` is other than before,
 * `-` goes away, `.` writes nothing that was asked for (it waits, or follows from the steps above it).
 * Of a value that must not be shown only is said that it is set, changed or removed.
 */
export function renderPlan(plan: Plan): string {
  const title = `${plan.function} on ${plan.provider}`;
  if (plan.steps.length === 0) {
    // Of a teardown that leaves everything it must be said what that is.
    const {left} = plan.facts;
    return [`${title}: nothing to change`, ...renderFacts(left === undefined ? {} : {left}), ''].join('\n');
  }
  const opChars = Math.max(...plan.steps.map((step) => step.op.length));
  return [
    `${title}: ${count(plan.steps.length, 'step')}`,
    ...plan.steps.flatMap((step) => renderStep(step, opChars)),
    ...renderFacts(plan.facts),
    '',
  ].join('\n');
}

function renderStep(step: Step, opChars: number): string[] {
  const leaves = step.changes.flatMap(leafChanges);
  const pathChars = Math.max(0, ...leaves.map((change) => change.path.length));
  return [
    `  ${markOf(leaves)} ${step.op.padEnd(opChars)}  ${step.why}`.trimEnd(),
    ...leaves.map(
      (change) => `      ${markOf([change])} ${change.path.padEnd(pathChars)}  ${renderChange(change)}`,
    ),
  ];
}

function renderFacts(facts: JsonObject): string[] {
  const names = Object.keys(facts);
  const nameChars = Math.max(0, ...names.map((name) => name.length));
  return names.map((name) => `    ${name.padEnd(nameChars)}  ${renderFact(facts[name] ?? null)}`);
}

function markOf(changes: readonly Change[]): Mark {
  if (changes.length === 0) return '.';
  if (changes.every((change) => change.from === null)) return '+';
  if (changes.every((change) => change.to === null)) return '-';
  return '~';
}

/** A change of an object, taken apart into the changes of its members. */
function leafChanges(change: Change): Change[] {
  const from = membersOf(change.from);
  const to = membersOf(change.to);
  if (from === null || to === null || (change.from === null && change.to === null)) return [change];
  const leaves = changesBetween(change.path, from, to).flatMap(leafChanges);
  return leaves.length > 0 ? leaves : [change];
}

function membersOf(value: Json): JsonObject | null {
  if (value === null) return {};
  return typeof value === 'object' && !Array.isArray(value) ? (value as JsonObject) : null;
}

function renderChange({from, to}: Change): string {
  if (holdsFingerprint(from) || holdsFingerprint(to)) {
    return from === null ? 'set' : to === null ? 'removed' : 'changed';
  }
  if (from === null) return renderValue(to);
  if (to === null) return `was ${renderValue(from)}`;
  return `${renderValue(from)} -> ${renderValue(to)}`;
}

/** A fact is for reading: words stay words. */
function renderFact(value: Json): string {
  return typeof value === 'string' && /^[\x20-\x7e]+$/.test(value) ? value : renderValue(value);
}

/** A value as one word where it is one; anything a terminal or a reader could trip over is quoted. */
function renderValue(value: Json): string {
  if (typeof value !== 'string') return quoted(value);
  if (/^sha256:[0-9a-f]{64}$/.test(value)) return shortDigest(value);
  return /^[\x21-\x7e]+$/.test(value) ? value : quoted(value);
}

/** JSON, with the control and direction characters escaped that JSON itself lets through. */
function quoted(value: Json): string {
  return JSON.stringify(value).replace(
    /\p{C}/gu,
    (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

function holdsFingerprint(value: Json): boolean {
  if (typeof value === 'string') return value.startsWith('hmac:');
  return typeof value === 'object' && value !== null && Object.values(value).some(holdsFingerprint);
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
