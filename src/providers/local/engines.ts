import type {Engine, HostAddress} from './engine.ts';

const LOOPBACK: HostAddress = {listen: '127.0.0.1', name: '127.0.0.1'};

/** One engine that has each launch run by the engine that was chosen for it. */
export function dispatchingEngine(engines: {readonly process: Engine; readonly docker: Engine}): Engine {
  return {
    name: 'any',
    start: (launch) => engines[launch.engine.name].start(launch),
    prepare: async (choice) => engines[choice.name].prepare?.(choice),
    hostAddress: async (choice) => engines[choice.name].hostAddress?.(choice) ?? LOOPBACK,
  };
}
