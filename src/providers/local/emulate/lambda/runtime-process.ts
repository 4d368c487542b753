import type {Engine, Exit, HostAddress, Launch, Running} from '../../engine.ts';
import {lambdaEnvironment} from './environment.ts';
import {RuntimeApi} from './runtime-api.ts';

/** How the start of a process went. */
export interface Initialised {
  readonly bootId: string | null;
  /** What the engine needed before the process began. */
  readonly createMs: number;
  /** From the beginning of the process until it asked for its first event. */
  readonly initMs: number;
}

/** One process in a sandbox, with the Runtime API that it alone talks to. */
export interface RuntimeProcess {
  readonly api: RuntimeApi;
  readonly run: Running;
  /** Rejects with StartFailure or InitError. */
  readonly initialised: Promise<Initialised>;
  /** Resolves when nothing is left of it, nor of its Runtime API. */
  readonly exited: Promise<Exit>;
}

/** Starts a process that fetches its events from a Runtime API of its own. */
export async function startRuntimeProcess(
  engine: Engine,
  launch: Launch,
  {listen, name}: HostAddress,
): Promise<RuntimeProcess> {
  const api = await RuntimeApi.open(listen);
  const startedMs = performance.now();
  const run = engine.start({...launch, env: lambdaEnvironment(launch, `${name}:${api.port}`)});
  const initialised = (async () => {
    // It asks for an event and says that it is ready through two channels, of which either may be the faster.
    const asked = api.initialised.then(() => performance.now());
    const [ready, askedMs] = await Promise.all([run.ready, Promise.race([asked, neverReady(run)])]);
    const createMs = ready.phases['create'] ?? 0;
    return {bootId: ready.bootId, createMs, initMs: Math.max(0, askedMs - startedMs - createMs)};
  })();
  initialised.catch(() => {});
  const exited = (async () => {
    const exit = await run.exited;
    await api.close();
    return exit;
  })();
  return {api, run, initialised, exited};
}

async function neverReady(run: Running): Promise<never> {
  const {how} = await run.exited;
  throw new Error(`it ${how} before it asked for its first event`);
}
