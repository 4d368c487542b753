import {readFile} from 'node:fs/promises';
import {homedir} from 'node:os';
import {basename} from 'node:path';
import type {BaseOrigin} from '../core/image.ts';
import type {ImageOnDisk} from '../core/ports.ts';
import {formatBytes} from '../core/units.ts';
import {openRegistry, type RegistryClient} from '../image/registry/client.ts';
import {readCredentials, type Credentials} from '../image/registry/credentials.ts';
import {pushImage, type Pushed} from '../image/registry/push.ts';
import {parseReference, type Reference} from '../image/registry/reference.ts';
import type {Workshop} from './compose.ts';
import {withTask} from './progress.ts';
import type {Terminal} from './terminal.ts';

/** How registries call a bill of materials in CycloneDX's JSON. */
const SBOM_TYPE = 'application/vnd.cyclonedx+json';

/** Where an image shall go, and as whom. */
export interface PushTarget {
  readonly reference: Reference;
  readonly credentials: Credentials | null;
}

/** The same, with the conversation with its registry already begun. */
export interface OpenPushTarget extends PushTarget {
  readonly client: Promise<RegistryClient>;
}

/**
 * Reads `--push` and the credentials for it: before anything is built, so that nobody waits for a typing mistake.
 *
 * @throws ThawError INPUT_INVALID, CREDENTIALS_MISSING
 */
export async function readPushTarget(text: string, signal: AbortSignal): Promise<PushTarget> {
  const reference = parseReference(text);
  const sources = {env: process.env, homeDir: homedir()};
  return {reference, credentials: await readCredentials(reference, sources, signal)};
}

/** The repository of the base, if it lies in the registry that is pushed to: its layers can be taken from there. */
export function neighbourOf(base: BaseOrigin, target: Reference): string | null {
  if (base.kind === 'host') return null;
  const {registry, repository} = parseReference(base.reference);
  return registry === target.registry && repository !== target.repository ? repository : null;
}

/** What pushing takes beside an image and a place. */
interface PushSettings {
  readonly workshop: Workshop;
  readonly terminal: Terminal;
  /** Whether http without TLS will do beyond this machine. */
  readonly allowHttp: boolean;
  readonly signal: AbortSignal;
}

/**
 * Begins to talk to a registry while the image is still being built. Whoever waits for the client hears how that went.
 */
export function openPushTarget(
  target: PushTarget,
  {workshop, allowHttp, signal}: Omit<PushSettings, 'terminal'>,
): OpenPushTarget {
  const {reference, credentials} = target;
  const {clock} = workshop.ports;
  const client = openRegistry({registry: reference.registry, credentials, clock, allowHttp, signal});
  client.catch(() => undefined);
  return {...target, client};
}

/** Hangs up where nothing was pushed. */
export async function closePushTarget({client}: OpenPushTarget): Promise<void> {
  await client.then(
    ({close}) => close(),
    () => undefined,
  );
}

/**
 * Pushes an image while a person looks on.
 *
 * @param sbomFile the bill of materials to attach to it; null: none
 */
export async function pushPackaged(
  {image, layoutDir}: ImageOnDisk,
  sbomFile: string | null,
  target: OpenPushTarget,
  {workshop, terminal, allowHttp, signal}: PushSettings,
): Promise<Pushed> {
  const attachment =
    sbomFile === null
      ? null
      : {mediaType: SBOM_TYPE, title: basename(sbomFile), bytes: await readFile(sbomFile)};
  const pushed = await withTask(
    terminal,
    `pushing to ${target.reference.registry}`,
    (task) =>
      pushImage({
        ...target,
        layoutDir,
        digest: image.digest,
        attachment,
        allowHttp,
        mountFrom: neighbourOf(image.base, target.reference),
        clock: workshop.ports.clock,
        progress: task.bytes,
        signal,
      }),
    ({uploadedBytes, skippedBytes, mountedBytes}) =>
      `pushed ${formatBytes(uploadedBytes)}; ${formatBytes(skippedBytes + mountedBytes)} were there`,
  );
  if (pushed.attached?.digest === null) {
    terminal.note(`The bill of materials could not be attached: ${pushed.attached.why}`);
  }
  return pushed;
}
