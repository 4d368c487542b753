import {randomUUID} from 'node:crypto';
import {readFileSync, writeFileSync} from 'node:fs';
import {hostname, tmpdir} from 'node:os';
import {join} from 'node:path';
import {renderServerTiming, sinceBirthMs, type StartMarks} from './phases.ts';

/** One run of this program, as its answers tell of it. */
export interface Boot {
  readonly id: string;
  /** Digest of the image that it runs from, if the platform said. */
  readonly image: string | null;
  /** An earlier process ran in the same sandbox. */
  readonly restarted: boolean;
  /** It went on from a snapshot, so that its phases lie in another machine's past. */
  readonly restored: boolean;
}

/** A request that counts, in the order in which requests came. */
export interface Arrival {
  readonly ordinal: number;
  readonly atMs: number;
}

/** Gives this boot its identity. */
export function beginBoot(image: string | null, ownsSandbox: boolean): Boot {
  // Node would fill a cache of random bytes for 127 more ids, which takes two milliseconds.
  const id = randomUUID({disableEntropyCache: true});
  return {id, image, restarted: ownsSandbox && replaceSandboxMark(id) !== null, restored: false};
}

/** The boot that goes on from a snapshot: machines made from the same one must not share an id. */
export function restoreBoot(boot: Boot): Boot {
  return {...boot, id: randomUUID({disableEntropyCache: true}), restored: true};
}

/**
 * Leaves this boot's id in the sandbox's temporary folder and returns the id that lay there: of a process that ran
 * in the same sandbox before this one. Only a sandbox of one's own tells that: on a shared machine the folder is
 * everyone's, so the caller must know that this one is not.
 */
function replaceSandboxMark(id: string): string | null {
  // Containers that share a folder still have their own host names.
  const file = join(tmpdir(), `thaw-boot-${hostname()}`);
  let before: string | null = null;
  try {
    before = readFileSync(file, 'utf8');
  } catch {
    // The first boot here.
  }
  try {
    writeFileSync(file, id);
  } catch {
    // A read-only sandbox: a restart cannot be told there, which claims nothing false.
  }
  return before;
}

/**
 * How long this process has lived. A machine that was frozen stops the monotonic clock, and a wall clock may be set
 * back: the larger of the two is the age.
 */
function bootAgeMs(): number {
  return Math.max(sinceBirthMs(), Date.now() - performance.timeOrigin);
}

/** The evidence headers of an answer, for the moment when they are written. */
export function evidenceHeaders(
  boot: Boot,
  arrival: Arrival,
  inferMs: number | null,
  start: StartMarks | null,
): {[name: string]: string} {
  const phases = renderServerTiming(
    arrival.atMs,
    inferMs,
    arrival.ordinal === 1 && !boot.restored ? start : null,
  );
  return {
    'thaw-boot': boot.id,
    'thaw-ordinal': String(arrival.ordinal),
    'thaw-boot-age': bootAgeMs().toFixed(3),
    ...(boot.image === null ? {} : {'thaw-image': boot.image}),
    ...(boot.restarted ? {'thaw-restarted': '1'} : {}),
    ...(boot.restored ? {'thaw-restored': '1'} : {}),
    ...(phases === '' ? {} : {'server-timing': phases}),
  };
}
