import {homedir} from 'node:os';
import {formatBytes} from '../core/units.ts';
import type {Platform} from '../core/image.ts';
import type {Base} from '../image/base/base.ts';
import {chooseBase, parseBaseWish, PUBLIC_BASE, type BaseWish} from '../image/base/choose.ts';
import {readCredentials, type Credentials} from '../image/registry/credentials.ts';
import {layersDirOf, type Workshop} from './compose.ts';
import {withTask} from './progress.ts';
import type {Terminal} from './terminal.ts';

/** Which base is wanted, for which platform, and as whom to ask for it. */
export interface BaseRequest {
  readonly wish: BaseWish;
  readonly platform: Platform;
  readonly credentials: Credentials | null;
}

/**
 * Reads `--base` and the credentials for it: before anything is fetched, so that nobody waits for a typing mistake.
 *
 * @throws ThawError INPUT_INVALID, CREDENTIALS_MISSING
 */
export async function readBaseRequest(
  text: string,
  platform: Platform,
  signal: AbortSignal,
): Promise<BaseRequest> {
  const wish = parseBaseWish(text);
  const sources = {env: process.env, homeDir: homedir()};
  const credentials =
    wish.kind === 'registry' ? await readCredentials(wish.reference, sources, signal) : null;
  return {wish, platform, credentials};
}

/** Opens the base that an image shall stand on, while a person looks on. */
export async function openBase(
  request: BaseRequest,
  {
    workshop,
    terminal,
    allowHttp,
    signal,
  }: {workshop: Workshop; terminal: Terminal; allowHttp: boolean; signal: AbortSignal},
): Promise<Base> {
  // What is pulled may lie in the cache for a while before it is used.
  await workshop.claimCache();
  const {base} = await withTask(
    terminal,
    'the base',
    (task) =>
      chooseBase({
        ...request,
        allowHttp,
        publicBase: PUBLIC_BASE,
        cacheDir: layersDirOf(workshop.installation.cacheDir),
        clock: workshop.ports.clock,
        progress: (done, total) =>
          task.update(`${formatBytes(done)}${total === null ? '' : ` of ${formatBytes(total)}`}`),
        signal,
      }),
    ({why}) => `base: ${why}`,
  );
  return base;
}
