import type {Digest} from '../../core/digest.ts';
import type {EngineChoice} from './choice.ts';

/**
 * What stands behind the gateway: the thing that can run one instance. An engine knows nothing of requests,
 * queues or scaling; the pool knows nothing of processes or containers.
 */
export interface Engine {
  readonly name: 'process' | 'docker' | 'any';
  /**
   * Starts one instance and returns at once. Never throws: an instance that cannot start is one whose `ready`
   * rejects and whose `exited` resolves.
   */
  start(launch: Launch): Running;
  /** Gets ready for instances of a choice, and ends those of it that a killed gateway left. Never rejects. */
  prepare?(choice: EngineChoice): Promise<void>;
}

/** What an instance is started from. */
export interface Launch {
  /** The gateway's own name for it. */
  readonly id: string;
  /** What shall run it. */
  readonly engine: EngineChoice;
  /** The folder in which the image's `opt/thaw` was laid out for this engine. */
  readonly rootDir: string;
  readonly image: Digest;
  /** The declared environment, by value. */
  readonly env: {readonly [name: string]: string};
  readonly memoryMb: number;
  /** Null leaves it to the machine. */
  readonly cpu: number | null;
  /** Requests it serves at a time. */
  readonly concurrency: number;
  /** Gets every whole line that the instance writes, but those that are said to the engine alone. */
  readonly onLine: (stream: 'stdout' | 'stderr', text: string) => void;
}

/** Where a ready instance takes requests. */
export interface Ready {
  readonly host: string;
  readonly port: number;
  readonly bootId: string;
  /** What the engine saw of the start, in milliseconds: `create`, `listen`. */
  readonly phases: {readonly [phase: string]: number};
}

/** How an instance ended. */
export interface Exit {
  /** For people: `exited with code 1`, `was ended by SIGKILL`. */
  readonly how: string;
  /** Why, where the engine knows: it was ended because it took more memory than it may. */
  readonly reason?: 'out-of-memory';
}

/** One instance, from its start to its end. */
export interface Running {
  /** Resolves when it takes requests; rejects with StartFailure if it ends before. */
  readonly ready: Promise<Ready>;
  /** Resolves when nothing of it is left; never rejects. */
  readonly exited: Promise<Exit>;
  /** Asks it to end, insists after the grace time, and resolves when it has ended. */
  stop(graceMs: number): Promise<Exit>;
  /** Ends it at once. */
  kill(): void;
}

/** Why an instance did not become ready. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';
}
