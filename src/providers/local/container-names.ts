import {createHash} from 'node:crypto';
import type {Digest} from '../../core/digest.ts';
import type {FunctionPaths} from './paths.ts';

/** By what everything of one function in a container engine is known. */
export type ContainerNames = {
  readonly function: string;
  /** After the function's folder: the same function of another user, or in another state folder, has another. */
  readonly key: string;
  /** What its images are called there. */
  readonly repository: string;
};

export const GATEWAY_LABEL = 'thaw.gateway';
export const FUNCTION_LABEL = 'thaw.function';
export const INSTANCE_LABEL = 'thaw.instance';

/** Names what a function has in a container engine. */
export function containerNames({dir}: Pick<FunctionPaths, 'dir'>, name: string): ContainerNames {
  const key = createHash('sha256').update(dir).digest('hex').slice(0, 8);
  // Repositories are in lower case, and hold fewer characters than folders.
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return {function: name, key, repository: `thaw-local/${plain || 'function'}`};
}

/** What an image is called in the engine: its digest's first digits, and whose it is. */
export const imageName = ({repository, key}: ContainerNames, image: Digest): string =>
  `${repository}:${shortOf(image)}.${key}`;

/** Whether an image is among a function's own by their names. */
export const hasImage = (names: readonly string[], image: Digest): boolean =>
  names.some((name) => name.includes(`:${shortOf(image)}.`));

const shortOf = (image: Digest): string => image.slice('sha256:'.length, 'sha256:'.length + 12);

/** Of the names that an engine lists, those of this function's own images. */
export function ownImageNames({repository, key}: ContainerNames, listed: string): string[] {
  const own = listed
    .split('\n')
    .map((line) => line.trim())
    // Engines may put a registry's host before names without one.
    .filter((line) => `/${line}`.includes(`/${repository}:`) && line.endsWith(`.${key}`));
  return [...new Set(own)].sort();
}
