import {stat} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import type {Config} from '../config/config.ts';
import {ThawError} from '../core/errors.ts';
import type {BaseOrigin} from '../core/image.ts';
import type {ImageOnDisk} from '../core/ports.ts';
import {formatBytes} from '../core/units.ts';
import {openEngine, type Engine} from '../docker/engine.ts';
import {copyLayout} from '../image/copy-layout.ts';
import {writeArchive} from '../image/docker/archive.ts';
import {writeBuildContext} from '../image/docker/context.ts';
import {imageNames} from '../image/docker/names.ts';
import {parseReference, renderReference} from '../image/registry/reference.ts';
import {bringImage} from './bring-image.ts';
import {wantedCommand} from './container-engine.ts';
import {withTask} from './progress.ts';
import {thawDir} from './project.ts';
import type {Terminal} from './terminal.ts';

/** Where an image shall go beside `.thaw/image`, as the flags of `thaw package` say. */
export interface OutputFlags {
  /** A folder for a copy of the layout. */
  readonly out: string | null;
  /** A file for an archive that engines load. */
  readonly archive: string | null;
  /** Whether a container engine shall have it. */
  readonly load: boolean;
  /** Whether a container engine shall build it. */
  readonly builder: 'thaw' | 'docker';
  /** Whether to write the Dockerfile even though nothing is built from it. */
  readonly dockerfile: boolean;
}

/** The same, looked at: everything is in place that an output needs. */
export interface Outputs {
  readonly flags: OutputFlags;
  /** Null if none is needed. */
  readonly engine: Engine | null;
  /** What the engine shall push its image as; null: it pushes none. */
  readonly enginePush: string | null;
}

/** An image in a container engine. */
export interface EngineImage {
  /** The command line that it was given to. */
  readonly engine: string;
  /** The engine's own id of it. */
  readonly id: string;
  /** The name that stays with it: `credit-scoring:3f2a9c41d07b`. */
  readonly reference: string;
  /** Whether it was there before. */
  readonly present: boolean;
  /** `registry/repository@sha256:…`, if the engine has pushed it. */
  readonly pushed: string | null;
}

/** Where an image has gone; null for what was not asked for. */
export interface Delivered {
  readonly out: string | null;
  readonly archive: string | null;
  readonly dockerfile: string | null;
  readonly engineImage: EngineImage | null;
}

/**
 * Looks whether the outputs can be had: before anything is built, so that nobody waits for an engine that is not there.
 *
 * @param push where to push; it is the engine that pushes what it has built
 * @throws ThawError USAGE for flags that exclude each other, INPUT_INVALID, and what opening an engine throws
 */
export async function prepareOutputs(
  flags: OutputFlags,
  push: string | null,
  signal: AbortSignal,
): Promise<Outputs> {
  const byEngine = flags.builder === 'docker';
  const thawsOwn = {'--out': flags.out !== null, '--archive': flags.archive !== null, '--load': flags.load};
  for (const [flag, given] of Object.entries(thawsOwn)) {
    if (!byEngine || !given) continue;
    const why = flag === '--load' ? 'the engine has what it builds' : 'it is for the image that thaw builds';
    throw new ThawError('USAGE', `${flag} cannot be used with --builder docker: ${why}`, {flag});
  }
  const enginePush = byEngine && push !== null ? readEnginePush(push) : null;
  const engine = byEngine || flags.load ? await openEngine(wantedCommand(), signal) : null;
  return {flags, engine, enginePush};
}

function readEnginePush(text: string): string {
  const reference = parseReference(text);
  if (reference.digest !== null) {
    const problem = 'a digest cannot be chosen for an image that an engine builds';
    throw new ThawError('INPUT_INVALID', `${text}: ${problem}`, {reference: text, problem});
  }
  return renderReference({...reference, tag: reference.tag ?? 'latest'});
}

/** What delivering needs to know of an image and of its surroundings. */
export interface Delivery {
  readonly config: Config;
  readonly packaged: ImageOnDisk;
  readonly base: BaseOrigin;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/**
 * Brings an image to where it shall go.
 *
 * @throws ThawError FILE_EXISTS, DISK_FULL, PERMISSION_DENIED, IMAGE_INVALID, ENGINE_UNAVAILABLE, ENGINE_REFUSED,
 * CREDENTIALS_MISSING, CONTENT_MISMATCH, INTERRUPTED
 */
export async function deliverImage(outputs: Outputs, delivery: Delivery): Promise<Delivered> {
  const {flags, engine} = outputs;
  const out = flags.out === null ? null : await copyOut(resolve(flags.out), delivery);
  const archive = flags.archive === null ? null : await archiveTo(resolve(flags.archive), delivery);
  const byEngine = flags.builder === 'docker';
  const contextDir = byEngine || flags.dockerfile ? await writeContext(delivery) : null;
  let engineImage: EngineImage | null = null;
  if (engine !== null) {
    noteOtherPlatform(engine, delivery);
    engineImage =
      byEngine && contextDir !== null
        ? await buildWith(engine, contextDir, outputs.enginePush, delivery)
        : await loadInto(engine, delivery);
  }
  return {out, archive, dockerfile: contextDir && join(contextDir, 'Dockerfile'), engineImage};
}

/** It may run there, emulated; its times say nothing then. */
function noteOtherPlatform({command, version}: Engine, {packaged: {image}, terminal}: Delivery): void {
  if (version.platform === image.platform) return;
  const what = `the engine behind ${command} runs ${version.platform}, and the image is for ${image.platform}`;
  terminal.note(terminal.paint.warn(what));
}

async function copyOut(dir: string, {packaged, terminal, signal}: Delivery): Promise<string> {
  await withTask(
    terminal,
    'copying the image layout',
    () => copyLayout(packaged, dir, signal),
    () => `image layout in ${dir}`,
  );
  return dir;
}

async function archiveTo(file: string, {packaged, terminal, signal}: Delivery): Promise<string> {
  await withTask(
    terminal,
    'writing the archive',
    async (task) => {
      await writeArchive(packaged, file, task.bytes, signal);
      return stat(file);
    },
    ({size}) => `archive of ${formatBytes(size)} in ${file}`,
  );
  return file;
}

async function writeContext({config, packaged, base, terminal, signal}: Delivery): Promise<string> {
  const contextDir = join(thawDir(config), 'docker');
  await withTask(
    terminal,
    'writing the Dockerfile',
    () => writeBuildContext(packaged, base, contextDir, signal),
    () => `Dockerfile and what it copies in ${contextDir}`,
  );
  return contextDir;
}

async function loadInto(engine: Engine, {packaged, terminal}: Delivery): Promise<EngineImage> {
  const {image} = packaged;
  const names = imageNames(image.function, image.digest);
  const {id, present} = await withTask(
    terminal,
    `loading into ${engine.command}`,
    (task) => bringImage(engine, packaged, [names.latest, names.pinned], task.bytes),
    ({present}) =>
      `${present ? 'already in' : 'loaded into'} ${engine.command} as ${names.pinned} and latest`,
  );
  return {engine: engine.command, id, reference: names.pinned, present, pushed: null};
}

async function buildWith(
  engine: Engine,
  contextDir: string,
  enginePush: string | null,
  {packaged: {image}, terminal}: Delivery,
): Promise<EngineImage> {
  const {id, reference} = await withTask(
    terminal,
    `building with ${engine.command}`,
    async (task) => {
      const {latest} = imageNames(image.function, image.digest);
      const onLine = (line: string): void => task.update(line.slice(0, 60));
      const id = await engine.build({contextDir, platform: image.platform, tags: [latest], onLine});
      const {pinned} = imageNames(image.function, id);
      await engine.tag(id, pinned);
      return {id, reference: pinned};
    },
    ({reference}) => `built with ${engine.command} as ${reference} and latest`,
  );
  const pushed = enginePush === null ? null : await pushWith(engine, id, enginePush, terminal);
  return {engine: engine.command, id, reference, present: false, pushed};
}

async function pushWith(engine: Engine, id: string, name: string, terminal: Terminal): Promise<string> {
  const digest = await withTask(
    terminal,
    `pushing with ${engine.command}`,
    async (task) => {
      await engine.tag(id, name);
      return engine.push(name, (line) => task.update(line.slice(0, 60)));
    },
    () => `pushed with ${engine.command} as ${name}`,
  );
  return `${name.slice(0, name.lastIndexOf(':'))}@${digest}`;
}
