import {ThawError} from '../../core/errors.ts';
import type {LoadShape} from '../../core/load.ts';
import {DURATION_EXAMPLE, parseDuration} from '../../core/units.ts';

/** The flags that ask for a load. At most one of the first four says which. */
export interface LoadFlags {
  readonly rate?: string | undefined;
  readonly steps?: string | undefined;
  readonly ramp?: string | undefined;
  readonly burst?: number | undefined;
  readonly duration?: string | undefined;
}

const DURATION_DEFAULT = '30s';

/** Reads the load that flags ask for; null if they ask for none. @throws ThawError USAGE */
export function readLoadShape({rate, steps, ramp, burst, duration}: LoadFlags): LoadShape | null {
  const asked = Object.entries({rate, steps, ramp, burst}).filter(([, value]) => value !== undefined);
  if (asked.length > 1) {
    throw usage(
      `${asked.map(([name]) => `--${name}`).join(' and ')} exclude each other: a load has one shape`,
    );
  }
  if (burst !== undefined) {
    if (duration !== undefined) throw usage('--burst sends all at once and takes no --duration');
    return {kind: 'burst', requests: burst};
  }
  if (asked.length === 0) {
    if (duration !== undefined) throw usage('--duration needs --rate, --steps or --ramp');
    return null;
  }
  const durationMs = readDuration(duration ?? DURATION_DEFAULT);
  if (rate !== undefined) return {kind: 'rate', perSecond: readRate(rate, '--rate'), durationMs};
  if (steps !== undefined) {
    return {kind: 'steps', perSecond: steps.split(',').map((step) => readRate(step, '--steps')), durationMs};
  }
  const [from = '', to = '', ...more] = (ramp ?? '').split('..');
  if (more.length > 0 || to === '') throw usage(`--ramp takes two rates such as 10..500, not "${ramp}"`);
  const [fromPerSecond, toPerSecond] = [readRate(from, '--ramp'), readRate(to, '--ramp')];
  if (fromPerSecond >= toPerSecond) throw usage(`--ramp must grow, not go from ${from} to ${to}`);
  return {kind: 'ramp', fromPerSecond, toPerSecond, durationMs};
}

function readRate(text: string, flag: string): number {
  const perSecond = Number(text);
  if (text.trim() !== '' && Number.isFinite(perSecond) && perSecond > 0) return perSecond;
  throw usage(`${flag} takes requests per second above 0, not "${text}"`);
}

function readDuration(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0) return ms;
  throw usage(`--duration must be a duration such as ${DURATION_EXAMPLE}, not "${text}"`);
}

const usage = (message: string): ThawError => new ThawError('USAGE', message);
