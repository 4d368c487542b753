import {existsSync} from 'node:fs';
import type {Context, FunctionRef} from '../../core/driver.ts';
import {askGateway, findGateway} from './control.ts';
import type {Have} from './have.ts';
import {pathsOf} from './paths.ts';
import {PROTOCOL, type GatewayState, type Hello} from './protocol.ts';
import {listVersions} from './versions.ts';

/** Asks the function's gateway what it runs, and looks at what lies on disk. */
export async function inspectFunction(context: Context, fn: FunctionRef): Promise<Have> {
  const paths = pathsOf(context.stateDir, fn.name);
  const hello = await findGateway(context, paths);
  return {
    thawVersion: context.thawVersion,
    folder: existsSync(paths.dir),
    versions: await listVersions(paths),
    gateway: hello && (await inspectGateway(context, paths, hello)),
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
