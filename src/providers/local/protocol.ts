import type {Instance, StartupRecord} from '../../core/deployment.ts';
import type {Digest, Fingerprint} from '../../core/digest.ts';
import type {FunctionSpec} from '../../core/function.ts';
import type {EngineChoice} from './choice.ts';
import type {LocalOptions} from './options.ts';

/**
 * What thaw and a gateway say to each other over the control socket: HTTP with JSON bodies. `GET /hello` and
 * `POST /stop` never change, so that any thaw can replace any gateway.
 */
export const PROTOCOL = 2;

/** The lines of a version's identity. */
export type VersionRef = {readonly version: string; readonly image: Digest};

/** What a function is set to, without its code and its environment. */
export type Settings = {
  readonly resources: FunctionSpec['resources'];
  readonly scaling: FunctionSpec['scaling'];
  readonly triggers: FunctionSpec['triggers'];
  readonly options: LocalOptions;
  /** What the wish for an engine came to. */
  readonly engine: EngineChoice;
};

/** Declared environment by value: on the socket and in the gateway's memory only. */
export type Environment = {readonly [name: string]: string};

/** Answer of `GET /hello`. */
export type Hello = {readonly protocol: number; readonly thawVersion: string; readonly pid: number};

/** Body of `PUT /function`: make it, or make it so again. */
export type CreateRequest = {
  readonly live: VersionRef;
  readonly settings: Settings;
  readonly env: Environment;
};

/** Body of `PUT /function/configuration`. */
export type ConfigureRequest = {readonly settings: Settings; readonly env: Environment};

/** Body of `PUT /function/warm`. */
export type WarmRequest = {readonly min: number};

/** Body of `POST /inspect`: the key under which environment values are fingerprinted, in base64. */
export type InspectRequest = {readonly fingerprintKey: string};

/** A function as its gateway runs it. */
export type FunctionState = {
  readonly live: VersionRef;
  readonly settings: Settings;
  readonly env: {readonly [name: string]: Fingerprint};
  /** Instances to be kept ready, and how many are. */
  readonly warm: {readonly min: number; readonly ready: number};
  /** The port it listens on, on the loopback address. */
  readonly port: number;
  readonly instances: readonly Instance[];
  /** Why the last instance could not start or ended by itself; null once one has become ready. */
  readonly problem: string | null;
};

/** Answer of `POST /inspect`. */
export type GatewayState = Hello & {readonly function: FunctionState | null};

/** Body of `POST /log/follow`: requests are to be noted in the log for so long from now on. */
export type FollowRequest = {readonly forMs: number};

/** Body and answer of `POST /startup`. */
export type StartupRequest = {readonly bootIds: readonly string[]};
export type StartupAnswer = {readonly records: readonly StartupRecord[]};
