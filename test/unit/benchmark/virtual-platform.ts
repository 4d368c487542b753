import type {Evidence, Invocation, Shot, StartClass} from '../../../src/core/sample.ts';

/** A stream of numbers from 0 to 1 that is the same for the same seed (a linear congruence, its low bits dropped). */
export function seeded(seed: number): () => number {
  let state = BigInt(seed) + 1n;
  return () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffff_ffff_ffff_ffffn;
    return Number(state >> 11n) / 2 ** 53;
  };
}

/** The wait of a client: a constant and an exponential part, so that every quantile is known. */
export interface Wait {
  readonly leastMs: number;
  readonly tailMs: number;
}

export const COLD: Wait = {leastMs: 120, tailMs: 60};
export const WARM: Wait = {leastMs: 3, tailMs: 2};

/** The true quantile of a wait. */
export const quantileOfWait = ({leastMs, tailMs}: Wait, q: number): number =>
  leastMs - tailMs * Math.log(1 - q);

export interface VirtualPlatform {
  fire(shot: Shot): Promise<Invocation>;
  chill(): Promise<void>;
  /** What each shot really was. */
  readonly truth: ReadonlyMap<number, StartClass>;
}

interface Instance {
  readonly id: string;
  readonly bornMs: number;
  readonly how: 'plain' | 'restored' | 'restarted';
  answered: number;
}

/** How often, of all chances, the platform does something of its own accord. */
const ODDS = {dies: 0.02, prewarms: 0.06, restores: 0.04, restarts: 0.04, joins: 0.05};

/**
 * A FaaS platform without a clock: every moment is computed, so that a thousand requests take no time and the truth
 * of each is known. Instances die while idle, are started ahead, restored from snapshots, started anew in an old
 * sandbox, and are shared with other clients.
 */
export function createVirtualPlatform(seed: number): VirtualPlatform {
  const random = seeded(seed);
  const between = (low: number, high: number): number => low + (high - low) * random();
  const draw = ({leastMs, tailMs}: Wait): number => leastMs - tailMs * Math.log(1 - random());
  const truth = new Map<number, StartClass>();
  const epochMs = Date.parse('2026-01-01T00:00:00Z');
  let nowMs = 0;
  let instance: Instance | null = null;
  let boots = 0;
  const born = (atMs: number, how: Instance['how']): Instance => ({
    id: `boot-${seed}-${++boots}`,
    bornMs: atMs,
    how,
    answered: 0,
  });

  return {
    truth,
    async chill() {
      nowMs += between(20, 50);
      instance = null;
    },
    async fire(shot) {
      nowMs += between(0.1, 40);
      if (instance !== null && random() < ODDS.dies) {
        nowMs += 60_000;
        instance = null;
      }
      if (instance === null && random() < ODDS.prewarms) {
        instance = born(nowMs, 'plain');
        nowMs += between(500, 5_000);
      }
      const dueMs = nowMs;
      const sentMs = between(0, 0.1);
      const connectedMs = sentMs + between(0.2, 3);
      const atMs = dueMs + connectedMs;

      const isBorn = instance === null;
      const waitMs = draw(isBorn ? COLD : WARM);
      if (isBorn) {
        const way = random();
        const how =
          way < ODDS.restores ? 'restored' : way < ODDS.restores + ODDS.restarts ? 'restarted' : 'plain';
        instance = born(atMs + waitMs * 0.22, how);
        // Another client asked for it, a moment before.
        if (how === 'plain' && random() < ODDS.joins) instance.answered++;
      }
      const serving = instance as Instance;
      const ordinal = ++serving.answered;
      truth.set(shot.index, classOf(serving, ordinal, isBorn));

      const headersMs = atMs + waitMs * 0.97;
      const firstByteMs = connectedMs + waitMs;
      const endMs = firstByteMs + between(0.05, 1);
      nowMs = dueMs + endMs;
      const evidence: Evidence = {
        bootId: serving.id,
        ordinal,
        bootAgeMs: Math.round((headersMs - serving.bornMs) * 1000) / 1000,
        image: null,
        restored: serving.how === 'restored',
        restarted: serving.how === 'restarted',
        phases: isBorn
          ? {boot: waitMs * 0.4, import: waitMs * 0.2, load: waitMs * 0.1, wait: 0, infer: waitMs * 0.05}
          : {infer: waitMs * 0.5},
      };
      return {
        at: new Date(epochMs + dueMs).toISOString(),
        status: 200,
        headers: {},
        body: new Uint8Array(),
        timings: {sentMs, connectedMs, writtenMs: connectedMs + 0.02, firstByteMs, endMs},
        evidence,
        error: null,
      };
    },
  };
}

function classOf({how}: Instance, ordinal: number, isBorn: boolean): StartClass {
  if (ordinal > 1) return isBorn ? 'joined' : 'warm';
  if (how !== 'plain') return how;
  return isBorn ? 'cold' : 'prewarmed';
}
