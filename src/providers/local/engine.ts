import type {Digest} from '../../core/digest.ts';
import type {EngineChoice} from './choice.ts';
import type {Emulation} from './emulate/emulation.ts';

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
  /** Where instances of a choice find what listens on this machine; without it, on the loopback address. */
  hostAddress?(choice: EngineChoice): Promise<HostAddress>;
}

/** How instances reach a server of this machine. */
export interface HostAddress {
  /** What the server listens on. */
  readonly listen: string;
  /** What instances know it by. */
  readonly name: string;
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
  /** The cloud that it shall find itself at; null: none. */
  readonly emulation: Emulation | null;
  /** The variable that tells it what port to listen on; `PORT` if it is not said. */
  readonly portVariable?: string;
  /** Gets every whole line that the instance writes, but those that are said to the engine alone. */
  readonly onLine: (stream: 'stdout' | 'stderr' | 'platform', text: string) => void;
}

/** Where a ready instance takes requests. */
export interface Ready {
  readonly host: string;
  /** 0 if it fetches its requests itself, from what it was told in its environment. */
  readonly port: number;
  /** Null where it took so long that it is started anew with the first request. */
  readonly bootId: string | null;
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
  /** The most memory that it has ever held, in MiB; null where that cannot be known. */
  peakMemoryMb?(): Promise<number | null>;
}

/** Why an instance did not become ready. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';
}
