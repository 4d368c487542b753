import {ThawError} from '../core/errors.ts';
import type {CommandEnd} from './command-line.ts';

/** What was asked of an engine when it failed. */
export interface Attempt {
  /** The command line's name: docker, podman, nerdctl. */
  readonly command: string;
  /** What it was to do, as a person would say it: `load the image`. */
  readonly purpose: string;
}

/** What command lines say when there is nobody behind them. */
const UNREACHABLE =
  /cannot connect to the docker daemon|is the docker daemon running|connection refused|no such host|error during connect|cannot connect to podman|unable to connect to podman|cannot access containerd socket|failed to dial|i\/o timeout|connection reset by peer|context deadline exceeded/i;
const FORBIDDEN =
  /permission denied while trying to connect|dial unix [^\n]*permission denied|containerd\.sock[^\n]*permission denied/i;
const NO_SPACE = /no space left on device|disk quota exceeded/i;
const ENDPOINT = /docker endpoint|context [^\n]*(?:not found|does not exist)/i;
const NO_CREDENTIALS = /no basic auth credentials|authentication required|unauthorized/i;
const DENIED = /requested access to the resource is denied|\bdenied:|403 forbidden/i;

/**
 * Says what a command's failure means, from its own words, which go into the message without what could be a password.
 *
 * - ENGINE_UNAVAILABLE `{engine, reason: 'no-command' | 'not-running' | 'no-answer' | 'no-context'}`
 * - PERMISSION_DENIED `{engine, reason: 'socket'}` if the engine may not be talked to
 * - DISK_FULL `{engine}`: the disk of the engine, wherever that is
 * - CREDENTIALS_MISSING and PERMISSION_DENIED `{engine, reason: 'registry'}` if a registry says so
 * - ENGINE_REFUSED `{engine, exitCode}` for all else
 */
export function classifyFailure({command, purpose}: Attempt, end: CommandEnd): ThawError {
  const words = lastWords(end);
  const say = (what: string): string => `${command} could not ${purpose}: ${what}`;
  if (end.systemCode !== null) return cannotRun(command, end.systemCode);
  if (end.timedOut) {
    return new ThawError('ENGINE_UNAVAILABLE', `the engine behind ${command} does not answer`, {
      engine: command,
      reason: 'no-answer',
    });
  }
  if (FORBIDDEN.test(end.stderr)) {
    return new ThawError('PERMISSION_DENIED', `${command} may not talk to its engine: ${words}`, {
      engine: command,
      reason: 'socket',
    });
  }
  if (ENDPOINT.test(end.stderr)) {
    return new ThawError('ENGINE_UNAVAILABLE', `${command} does not know where its engine is: ${words}`, {
      engine: command,
      reason: 'no-context',
    });
  }
  if (UNREACHABLE.test(end.stderr)) {
    return new ThawError('ENGINE_UNAVAILABLE', `no engine runs behind ${command}: ${words}`, {
      engine: command,
      reason: 'not-running',
    });
  }
  if (NO_SPACE.test(end.stderr)) return new ThawError('DISK_FULL', say(words), {engine: command});
  const registry = {engine: command, reason: 'registry'};
  if (DENIED.test(end.stderr)) return new ThawError('PERMISSION_DENIED', say(words), registry);
  if (NO_CREDENTIALS.test(end.stderr)) return new ThawError('CREDENTIALS_MISSING', say(words), registry);
  return new ThawError('ENGINE_REFUSED', say(words), {engine: command, exitCode: end.exitCode});
}

function cannotRun(command: string, code: string): ThawError {
  if (code === 'ENOENT') {
    return new ThawError('ENGINE_UNAVAILABLE', `${command} was not found on the PATH`, {
      engine: command,
      reason: 'no-command',
    });
  }
  return new ThawError('ENGINE_UNAVAILABLE', `${command} cannot be run (${code})`, {
    engine: command,
    reason: 'no-command',
    code,
  });
}

/** Remarks that stand beside an error and do not explain it. */
const ASIDE =
  /^(?:DEPRECATED:|\s*Install the buildx|\s*environment-variable|See 'docker|Run 'docker|WARNING:|-+$)/i;

/** The end of what a command said, in one line. */
function lastWords({stderr, stdout, exitCode}: CommandEnd): string {
  for (const text of [stderr, stdout]) {
    const lines = text
      .split('\n')
      .filter((line) => !ASIDE.test(line))
      .map((line) => line.trim().replace(/^(?:ERROR|Error):\s+|\.$/g, ''))
      .filter((line) => line !== '');
    if (lines.length > 0) return withoutCredentials(lines.slice(-3).join(' '));
  }
  return exitCode === null ? 'it was ended' : `exit code ${exitCode}`;
}

/** An address may carry a password. */
function withoutCredentials(text: string): string {
  return text.replace(/\/\/[^/@\s]+@/g, '//***@');
}
