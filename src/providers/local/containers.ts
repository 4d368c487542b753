import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import type {Context, OpContext} from '../../core/driver.ts';
import {ThawError} from '../../core/errors.ts';
import {canonicalJson} from '../../core/json.ts';
import type {ContainerEngine} from '../../core/ports.ts';
import {engineWhereabouts, type EngineChoice, type EngineLook} from './choice.ts';
import {
  containerNames,
  GATEWAY_LABEL,
  imageName,
  ownImageNames,
  type ContainerNames,
} from './container-names.ts';
import type {LocalOptions} from './options.ts';
import type {FunctionPaths} from './paths.ts';
import type {VersionRef} from './protocol.ts';

/** An engine that is asked for by name may be slow; one that is merely there if possible is not waited for. */
const ANSWER_MS = 30_000;
const AUTO_ANSWER_MS = 5_000;

export type DockerChoice = Extract<EngineChoice, {name: 'docker'}>;

/** What there is of a function in container engines. */
export type ContainersFound = {
  readonly look: EngineLook;
  /** Names of its images in the engine that was looked at. */
  readonly images: readonly string[];
  /** Engines that may hold something of it. */
  readonly used: readonly DockerChoice[];
};

/** Looks for a container engine, if one may be used, and at what it has of the function. */
export async function inspectContainers(
  context: Context,
  paths: FunctionPaths,
  name: string,
  wish: LocalOptions['engine'],
): Promise<ContainersFound> {
  const used = await readUsedEngines(paths);
  if (wish === 'process') return {look: null, images: [], used};
  const env = engineWhereabouts(process.env);
  const answerMs = wish === 'auto' ? AUTO_ANSWER_MS : ANSWER_MS;
  try {
    const engine = await context.ports.openContainerEngine({command: null, env, answerMs}, context.signal);
    const {command, version, platform, sure} = engine;
    const images = used.length === 0 ? [] : await listImages(engine, containerNames(paths, name));
    return {look: {found: {command, env, version, platform, sure}}, images, used};
  } catch (error) {
    if (!(error instanceof ThawError) || error.code === 'INTERRUPTED') throw error;
    const {code, message, facts} = error;
    return {look: {failure: {code, message, facts}}, images: [], used};
  }
}

/** Makes sure that the engine has the image of a version, from which instances are started. */
export async function bringVersion(
  context: OpContext,
  paths: FunctionPaths,
  name: string,
  {image}: VersionRef,
  choice: DockerChoice,
): Promise<void> {
  const engine = await open(context, choice);
  const names = containerNames(paths, name);
  await rememberEngine(paths, choice);
  if (context.image !== null && context.image.image.digest === image) {
    await engine.bring(context.image, imageName(names, image), context.progress);
    return;
  }
  const listed = await listImages(engine, names);
  if (listed.some((each) => each.endsWith(imageName(names, image)))) return;
  const message = `the image ${image} is neither at hand nor in ${choice.command}`;
  throw new ThawError('IMAGE_MISSING', message, {image, engine: choice.command});
}

/** Takes the function's names from images that none of these versions has; what has no other name then goes. */
export async function removeOtherImages(
  context: Context,
  paths: FunctionPaths,
  name: string,
  versions: readonly Pick<VersionRef, 'image'>[],
): Promise<void> {
  const names = containerNames(paths, name);
  const kept = versions.map(({image}) => imageName(names, image));
  for (const choice of await readUsedEngines(paths)) {
    const engine = await open(context, choice);
    const spare = (await listImages(engine, names)).filter((each) => !kept.some((own) => each.endsWith(own)));
    // An instance that is still ending keeps what it was started from; the next deploy takes it then.
    for (const image of spare) await engine.run('remove an image', ['rmi', image]).catch(whenRefused);
  }
}

/** Removes every container and image of the function from every engine that it was ever run with. */
export async function removeAllOfContainers(
  context: Context,
  paths: FunctionPaths,
  name: string,
): Promise<void> {
  const names = containerNames(paths, name);
  for (const choice of await readUsedEngines(paths)) {
    let engine: ContainerEngine;
    try {
      engine = await open(context, choice);
    } catch (error) {
      // An engine that is no longer installed holds nothing.
      if (error instanceof ThawError && error.facts['reason'] === 'no-command') continue;
      throw error;
    }
    const filter = ['--filter', `label=${GATEWAY_LABEL}=${names.key}`];
    const listed = await engine.run('list containers', ['ps', '--all', '--quiet', ...filter]);
    for (const container of listed.split('\n').filter((line) => line !== '')) {
      await engine.run('remove a container', ['rm', '--force', container]).catch(whenRefused);
    }
    for (const image of await listImages(engine, names)) {
      await engine.run('remove an image', ['rmi', '--force', image]);
    }
  }
}

/** Engines in which something of the function may be. */
async function readUsedEngines(paths: FunctionPaths): Promise<DockerChoice[]> {
  try {
    return JSON.parse(await readFile(usedFile(paths), 'utf8')) as DockerChoice[];
  } catch {
    return [];
  }
}

async function rememberEngine(paths: FunctionPaths, choice: DockerChoice): Promise<void> {
  const used = await readUsedEngines(paths);
  if (used.some((each) => canonicalJson(each) === canonicalJson(choice))) return;
  await writeFile(usedFile(paths), canonicalJson([...used, choice]), {mode: 0o600});
}

const usedFile = ({dir}: FunctionPaths): string => join(dir, 'engines.json');

const open = (context: Context, {command, env}: DockerChoice): Promise<ContainerEngine> =>
  context.ports.openContainerEngine({command, env, answerMs: ANSWER_MS}, context.signal);

async function listImages(engine: ContainerEngine, names: ContainerNames): Promise<string[]> {
  const format = ['--format', '{{.Repository}}:{{.Tag}}'];
  return ownImageNames(names, await engine.run('list images', ['images', ...format, names.repository]));
}

/** What is gone by now, or is in use, is left to the next time. */
function whenRefused(error: unknown): void {
  if (!(error instanceof ThawError) || error.code !== 'ENGINE_REFUSED') throw error;
}
