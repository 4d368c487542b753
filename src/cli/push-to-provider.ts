import type {Digest} from '../core/digest.ts';
import type {Clock, ImageOnDisk, ProgressFn, PushDestination} from '../core/ports.ts';
import {pushImage} from '../image/registry/push.ts';
import {parseReference} from '../image/registry/reference.ts';

/** Pushes an image to where a provider runs it from. What `PushImage` of `core/ports.ts` says holds for it. */
export async function pushToProvider(
  {image, layoutDir}: ImageOnDisk,
  {reference, username, password}: PushDestination,
  clock: Clock,
  progress: ProgressFn,
  signal: AbortSignal,
): Promise<Digest> {
  const {digest} = await pushImage({
    layoutDir,
    digest: image.digest,
    reference: parseReference(reference),
    credentials: {kind: 'password', username, password},
    clock,
    progress,
    signal,
  });
  return digest;
}
