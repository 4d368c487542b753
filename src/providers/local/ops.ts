import {mkdir, readFile, rm, rmdir} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import type {Context, Op, OpContext} from '../../core/driver.ts';
import {messageOf, systemCode, ThawError} from '../../core/errors.ts';
import type {JsonObject} from '../../core/json.ts';
import {commandEnvironment, type EngineChoice} from './choice.ts';
import {bringVersion, removeAllOfContainers, removeOtherImages} from './containers.ts';
import {findGateway, tellGateway} from './control.ts';
import {systemEnvironment} from './engine-process.ts';
import {pathsOf, versionDir, type FunctionPaths} from './paths.ts';
import {
  PROTOCOL,
  type ConfigureRequest,
  type CreateRequest,
  type Hello,
  type VersionRef,
} from './protocol.ts';
import {listVersions, pruneVersions, writeVersion} from './versions.ts';

/** A gateway is a small program: when it has not begun to listen by then, it will not. */
const GATEWAY_START_MS = 30_000;
const GATEWAY_POLL_MS = 15;
/** Between the moment a gateway lets go of its socket and the end of its process. */
const GATEWAY_END_MS = 3000;

/** Why a gateway that was just started may have got no function to serve. */
const BEGINS_NOTHING = ['PORT_IN_USE', 'PERMISSION_DENIED', 'INSTANCE_FAILED'];

/** The only code of this driver that writes. Each op reads its arguments as the planner wrote them. */
export const ops: {readonly [name: string]: Op} = {
  'local:StartGateway': op(async (context, paths, args) => {
    const running = await findGateway(context, paths);
    if (running !== null) {
      if (running.thawVersion === context.thawVersion && running.protocol === PROTOCOL) return {};
      await stopGateway(context, paths, running);
    }
    await startGateway(context, paths, args['function'] as string);
    return {};
  }),

  'local:CreateFunction': op(async (context, paths, args) => {
    const {live, settings, env} = args as CreateRequest;
    const isNew = await prepareVersion(context, paths, args['function'] as string, live, [settings.engine]);
    try {
      return await putFunction(context, paths, {live, settings, env});
    } catch (error) {
      // A gateway without a function is of no use to anybody.
      if (error instanceof ThawError && BEGINS_NOTHING.includes(error.code)) {
        await undoStart(context, paths, isNew ? live : null);
      }
      throw error;
    }
  }),

  'local:ReplaceFunction': op(async (context, paths, args) => {
    const {live, settings, env} = args as CreateRequest;
    const name = args['function'] as string;
    const isNew = await prepareVersion(context, paths, name, live, [settings.engine]);
    try {
      const served = await putFunction(context, paths, {live, settings, env});
      await forgetOldVersions(context, paths, name, live);
      return served;
    } catch (error) {
      // What never took over is nothing that anybody could want to go back to.
      if (isNew && error instanceof ThawError && error.code === 'INSTANCE_FAILED') {
        await rm(versionDir(paths, live.version), {recursive: true, force: true});
      }
      throw error;
    }
  }),

  'local:UpdateFunctionCode': op(async (context, paths, args) => {
    const {live, engines} = args as {live: VersionRef; engines: readonly EngineChoice[]};
    const name = args['function'] as string;
    await prepareVersion(context, paths, name, live, engines);
    await tellGateway(context, paths, 'PUT', '/function/live', live);
    await forgetOldVersions(context, paths, name, live);
    return {version: live.version};
  }),

  'local:UpdateFunctionConfiguration': op(async (context, paths, args) => {
    const {settings, env, live} = args as ConfigureRequest & {live: VersionRef};
    await prepareVersion(context, paths, args['function'] as string, live, [settings.engine]);
    const path = '/function/configuration';
    const {port} = await tellGateway<{port: number}>(context, paths, 'PUT', path, {settings, env});
    return {url: `http://127.0.0.1:${port}/`};
  }),

  'local:BringImage': op(async (context, paths, args) => {
    const {live, engines} = args as {live: VersionRef; engines: readonly EngineChoice[]};
    await prepareVersion(context, paths, args['function'] as string, live, engines);
    return {};
  }),

  'local:PutWarm': op(async (context, paths, args) => {
    await tellGateway(context, paths, 'PUT', '/function/warm', {min: args['min'] as number});
    return {};
  }),

  'local:EndInstances': op(async (context, paths) => {
    await tellGateway(context, paths, 'DELETE', '/function/instances');
    return {};
  }),

  'local:SetLiveVersion': op(async (context, paths, args) => {
    const {live} = args as {live: VersionRef};
    await tellGateway(context, paths, 'PUT', '/function/live', live);
    return {version: live.version};
  }),

  'local:DeleteFunction': op(async (context, paths) => {
    if (await findGateway(context, paths)) await tellGateway(context, paths, 'DELETE', '/function');
    return {};
  }),

  'local:RemoveContainers': op(async (context, paths, args) => {
    await removeAllOfContainers(context, paths, args['function'] as string);
    return {};
  }),

  'local:StopGateway': op(async (context, paths) => {
    const running = await findGateway(context, paths);
    if (running !== null) await stopGateway(context, paths, running);
    await removeFiles(paths);
    return {};
  }),
};

function op(run: (context: OpContext, paths: FunctionPaths, args: JsonObject) => Promise<JsonObject>): Op {
  return {
    retry: null,
    run: (context, args) => run(context, pathsOf(context.stateDir, args['function'] as string), args),
  };
}

/**
 * Makes a version ready for engines: its files for processes, its image for containers.
 *
 * @returns whether the version is new
 */
async function prepareVersion(
  context: OpContext,
  paths: FunctionPaths,
  name: string,
  live: VersionRef,
  engines: readonly EngineChoice[],
): Promise<boolean> {
  for (const engine of engines) {
    if (engine.name === 'docker') await bringVersion(context, paths, name, live, engine);
  }
  return writeVersion(
    context,
    paths,
    live,
    engines.some((engine) => engine.name === 'process'),
  );
}

/** Has the gateway serve this, in place of whatever it serves. */
async function putFunction(
  context: OpContext,
  paths: FunctionPaths,
  {live, settings, env}: CreateRequest,
): Promise<{readonly url: string; readonly version: string}> {
  const {port} = await tellGateway<{port: number}>(context, paths, 'PUT', '/function', {live, settings, env});
  return {url: `http://127.0.0.1:${port}/`, version: live.version};
}

/** Removes what nobody goes back to any more, now that a version is live. */
async function forgetOldVersions(
  context: OpContext,
  paths: FunctionPaths,
  name: string,
  live: VersionRef,
): Promise<void> {
  await pruneVersions(paths, live.version);
  await removeOtherImages(context, paths, name, await listVersions(paths));
}

async function startGateway(context: Context, paths: FunctionPaths, name: string): Promise<void> {
  await mkdir(paths.dir, {recursive: true, mode: 0o700});
  await rm(paths.gatewayLog, {force: true});
  const program = join(context.packageDir, 'dist', 'gateway.js');
  const args = [program, '--state', context.stateDir, '--function', name, '--thaw', context.thawVersion];
  const {pid} = await context.ports.startDetached(process.execPath, args, {
    cwd: dirname(paths.dir),
    env: {...commandEnvironment(process.env), ...systemEnvironment()},
    logFile: paths.gatewayLog,
  });
  const deadlineMs = context.ports.clock.monotonicMs() + GATEWAY_START_MS;
  for (;;) {
    // Asked before the process is looked at: it may have begun to listen and then ended.
    const ended = !(await isRunning(pid));
    const hello = await findGateway(context, paths);
    // Where another thaw started one at the same time, that one serves as well.
    if (hello !== null) return;
    if (ended || context.ports.clock.monotonicMs() > deadlineMs) {
      const said = (await readFile(paths.gatewayLog, 'utf8').catch(() => '')).trim().slice(-2000);
      const what = ended
        ? 'the gateway ended at once'
        : `the gateway did not listen within ${GATEWAY_START_MS} ms`;
      throw new ThawError('PROVIDER_UNREACHABLE', said === '' ? what : `${what}: ${said}`, {
        logFile: paths.gatewayLog,
      });
    }
    await context.ports.clock.sleep(GATEWAY_POLL_MS, context.signal);
  }
}

/** Ends a gateway: it drains, ends its instances and goes; one that does not is killed, and its instances with it. */
async function stopGateway(context: Context, paths: FunctionPaths, {pid}: Hello): Promise<void> {
  await tellGateway(context, paths, 'POST', '/stop').catch((error: unknown) => {
    if (error instanceof ThawError && error.code === 'INTERRUPTED') throw error;
    kill(pid);
  });
  const {clock} = context.ports;
  const deadlineMs = clock.monotonicMs() + GATEWAY_END_MS;
  while (await isRunning(pid)) {
    if (clock.monotonicMs() > deadlineMs) kill(pid);
    await clock.sleep(GATEWAY_POLL_MS, context.signal);
  }
}

/** Takes back the start of a gateway that got no function to serve. */
async function undoStart(context: Context, paths: FunctionPaths, version: VersionRef | null): Promise<void> {
  if (version !== null) await rm(versionDir(paths, version.version), {recursive: true, force: true});
  const running = await findGateway(context, paths);
  if (running !== null) await stopGateway(context, paths, running);
  const left = await rmdir(paths.versionsDir).then(
    () => false,
    () => true,
  );
  if (!left) await removeFiles(paths);
}

/** Removes all that lies on disk; of the folders above only those that are thaw's and empty by now. */
async function removeFiles(paths: FunctionPaths): Promise<void> {
  await rm(paths.dir, {recursive: true, force: true, maxRetries: 5});
  if (process.platform !== 'win32') await rm(paths.socket, {force: true});
  for (const dir of [dirname(paths.dir), paths.socketDir]) {
    if (dir !== null) await rmdir(dir).catch(() => {});
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (systemCode(error) !== 'ESRCH')
      throw new Error(`cannot end process ${pid}: ${messageOf(error)}`, {cause: error});
  }
}

/** Whether a process runs. One that has ended and that nobody has asked about yet does not. */
async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
  if (process.platform !== 'linux') return true;
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  // The state follows the program's name, which is in parentheses and may hold any character.
  return stat !== null && !stat.slice(stat.lastIndexOf(')')).startsWith(') Z');
}
