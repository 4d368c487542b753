import {parseArgs} from 'node:util';
import type {ExplainEngineFailure} from '../../../core/ports.ts';
import {commandEnvironment} from '../choice.ts';
import {containerNames} from '../container-names.ts';
import {emulatingEngine} from '../emulate/engine.ts';
import {createDockerEngine} from '../engine-docker.ts';
import {processEngine, systemEnvironment} from '../engine-process.ts';
import {dispatchingEngine} from '../engines.ts';
import {pathsOf} from '../paths.ts';
import {PROTOCOL} from '../protocol.ts';
import {GatewayRuns, takeSocket, watchSocket} from './control-socket.ts';
import {Gateway} from './gateway.ts';
import {LogWriter} from './logs.ts';
import {createControlServer} from './server.ts';

const WATCH_MS = 2000;
/** A connection that nobody reads is not waited for. */
const LEAVE_MS = 2000;

/** What the gateway is handed of the rest of thaw. */
export interface GatewayPorts {
  readonly explainFailure: ExplainEngineFailure;
}

/**
 * The gateway's process: one for each deployed function. It is started by `local:StartGateway`, outlives the thaw
 * that started it, and ends when it is asked to over its control socket, by SIGTERM, or when its folder is deleted.
 */
export async function runGateway(args: readonly string[], {explainFailure}: GatewayPorts): Promise<void> {
  const {values} = parseArgs({
    args: [...args],
    options: {state: {type: 'string'}, function: {type: 'string'}, thaw: {type: 'string'}},
  });
  const {state, function: name, thaw: thawVersion} = values;
  if (state === undefined || name === undefined || thawVersion === undefined) {
    throw new Error('usage: gateway.js --state FOLDER --function NAME --thaw VERSION');
  }

  const paths = pathsOf(state, name);
  const log = new LogWriter(paths.log, paths.logOld);
  const hello = {protocol: PROTOCOL, thawVersion, pid: process.pid};
  const docker = createDockerEngine({
    names: containerNames(paths, name),
    dir: paths.dir,
    commandEnv: {...commandEnvironment(process.env), ...systemEnvironment()},
    explainFailure,
  });
  const engine = emulatingEngine(dispatchingEngine({process: processEngine, docker}));
  const gateway = new Gateway(hello, name, paths, engine, log);

  let stopping: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    stopping ??= gateway.stop();
    return stopping;
  };
  /** Ends the process when the last answer is out. Closing removes the socket. */
  const leave = (): void => {
    control.close(() => process.exit(0));
    setTimeout(() => process.exit(0), LEAVE_MS).unref();
  };
  const control = createControlServer(gateway, () => stop().then(leave));

  try {
    await takeSocket(control, paths);
  } catch (error) {
    if (!(error instanceof GatewayRuns)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop().then(leave));
  // The terminal that it was started from may close.
  process.on('SIGHUP', () => {});
  await watchSocket(paths, WATCH_MS, (socketIsOurs) => {
    // Closing would remove the socket of another.
    void stop().then(() => (socketIsOurs ? leave() : process.exit(0)));
  });
}
