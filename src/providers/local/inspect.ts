import {existsSync} from 'node:fs';
import type {Context, FunctionRef} from '../../core/driver.ts';
import {inspectContainers} from './containers.ts';
import {askGateway, findGateway} from './control.ts';
import type {Have} from './have.ts';
import type {LocalOptions} from './options.ts';
import {pathsOf} from './paths.ts';
import {PROTOCOL, type GatewayState, type Hello} from './protocol.ts';
import {listVersions} from './versions.ts';

/** Asks the function's gateway what it runs, and looks at what lies on disk. */
export async function inspectFunction(
  context: Context,
  fn: FunctionRef,
  options: Pick<LocalOptions, 'engine'>,
): Promise<Have> {
  const paths = pathsOf(context.stateDir, fn.name);
  const [hello, containers] = await Promise.all([
    findGateway(context, paths),
    inspectContainers(context, paths, fn.name, options.engine),
  ]);
  return {
    thawVersion: context.thawVersion,
    folder: existsSync(paths.dir),
    versions: await listVersions(paths),
    gateway: hello && (await inspectGateway(context, paths, hello)),
    containers,
  };
}

async function inspectGateway(
  context: Context,
  paths: ReturnType<typeof pathsOf>,
  hello: Hello,
): Promise<GatewayState | null> {
  // One that speaks otherwise can only be replaced.
  if (hello.protocol !== PROTOCOL) return {...hello, function: null};
  const fingerprintKey = Buffer.from(context.fingerprintKey).toString('base64');
  return askGateway<GatewayState>(context, paths, 'POST', '/inspect', {fingerprintKey});
}
