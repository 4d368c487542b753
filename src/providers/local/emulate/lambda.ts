import {canonicalJson} from '../../../core/json.ts';
import type {EngineChoice} from '../choice.ts';
import type {Engine, HostAddress} from '../engine.ts';
import {startSandbox, type LambdaLimits} from './lambda/sandbox.ts';

const LOOPBACK: HostAddress = {listen: '127.0.0.1', name: '127.0.0.1'};
const LIMITS: LambdaLimits = {initMs: 10_000, logLateMs: 100};

/**
 * Runs instances as Lambda does: each fetches its events from a Runtime API of its own, one after the other. Before it
 * stands a door that makes events of HTTP requests, as function URLs do, and takes events as they are where Lambda's
 * own API would.
 */
export function emulateLambda(engine: Engine, limits: Partial<LambdaLimits> = {}): Engine {
  const addresses = new Map<string, Promise<HostAddress>>();
  /** Engines are asked where they are once, not with every start. */
  const hostAddress = (choice: EngineChoice): Promise<HostAddress> => {
    const key = canonicalJson(choice);
    const found = addresses.get(key) ?? engine.hostAddress?.(choice) ?? Promise.resolve(LOOPBACK);
    addresses.set(key, found);
    found.catch(() => addresses.delete(key));
    return found;
  };
  return {
    ...engine,
    start: (launch) => {
      const starter = {engine, hostAddress: () => hostAddress(launch.engine)};
      return startSandbox(starter, launch, {...LIMITS, ...limits});
    },
  };
}
