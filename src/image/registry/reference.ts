import type {Digest} from '../../core/digest.ts';
import {ThawError} from '../../core/errors.ts';
import {isDigest} from '../blobs.ts';

/** Where an image lies, or shall lie: `registry/repository[:tag][@digest]`. */
export interface Reference {
  /** Host and, where it is not the usual one, port, as people write it: `docker.io`, `localhost:5000`. */
  readonly registry: string;
  /** The path in the registry, without a slash in front. */
  readonly repository: string;
  readonly tag: string | null;
  readonly digest: Digest | null;
}

const DOCKER_HUB = 'docker.io';
/** What Docker Hub is called in old references and in credentials. */
const DOCKER_HUB_ALIASES = [DOCKER_HUB, 'index.docker.io', 'registry-1.docker.io'];
const DOCKER_HUB_API = 'registry-1.docker.io';

const LABEL = /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$/;
const IPV6 = /^\[[0-9a-fA-F:]+\]$/;
const COMPONENT = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const REPOSITORY_CHARS_MAX = 255;

/**
 * Reads an image reference as Docker does: without a host it means Docker Hub, and there a single name is one of
 * the official images.
 *
 * @throws ThawError INPUT_INVALID naming the part that is wrong
 */
export function parseReference(text: string): Reference {
  const refuse = (problem: string): never => {
    throw new ThawError('INPUT_INVALID', `${JSON.stringify(text)} is not an image reference: ${problem}`, {
      reference: text,
      problem,
    });
  };
  if (text === '') refuse('it is empty');
  if (/[\s\p{Cc}]/u.test(text)) refuse('it contains white space');
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) refuse('it starts with a scheme, which references do not have');

  const at = text.indexOf('@');
  const digest = at < 0 ? null : text.slice(at + 1);
  if (digest !== null && !isDigest(digest)) {
    refuse(`the digest ${JSON.stringify(digest)} is not sha256: and 64 lower-case hex digits`);
  }
  const beforeDigest = at < 0 ? text : text.slice(0, at);

  const slash = beforeDigest.indexOf('/');
  const first = slash < 0 ? '' : beforeDigest.slice(0, slash);
  const hasHost = /[.:[A-Z]/.test(first) || first === 'localhost';
  const registry = hasHost ? parseHost(first, refuse) : DOCKER_HUB;
  const rest = hasHost ? beforeDigest.slice(slash + 1) : beforeDigest;

  const colon = rest.indexOf(':');
  const tag = colon < 0 ? null : rest.slice(colon + 1);
  if (tag !== null && !TAG.test(tag)) {
    refuse(
      `the tag ${JSON.stringify(tag)} is not 1 to 128 letters, digits, "_", "." and "-", not "." or "-" first`,
    );
  }
  const path = colon < 0 ? rest : rest.slice(0, colon);
  for (const component of path.split('/')) {
    if (COMPONENT.test(component)) continue;
    if (component === '') refuse('a part of its path is empty');
    const upper = /[A-Z]/.test(component) ? '; upper-case letters are not allowed' : '';
    refuse(
      `${JSON.stringify(component)} is not lower-case letters and digits, joined by ".", "_", "__" or "-"${upper}`,
    );
  }
  const repository = registry === DOCKER_HUB && !path.includes('/') ? `library/${path}` : path;
  if (repository.length > REPOSITORY_CHARS_MAX) {
    refuse(`its path has ${repository.length} characters, at most ${REPOSITORY_CHARS_MAX} are allowed`);
  }
  return {registry, repository, tag, digest: digest as Digest | null};
}

function parseHost(text: string, refuse: (problem: string) => never): string {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(text);
  const [, host = '', port] = match ?? [];
  if (!IPV6.test(host) && !host.split('.').every((label) => LABEL.test(label))) {
    refuse(`${JSON.stringify(text)} is not a host`);
  }
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)) {
    refuse(`${JSON.stringify(port)} is not a port`);
  }
  const lower = text.toLowerCase();
  return DOCKER_HUB_ALIASES.includes(lower) ? DOCKER_HUB : lower;
}

/** Writes a reference, in full. */
export function renderReference({registry, repository, tag, digest}: Reference): string {
  const name = `${registry}/${repository}`;
  return `${name}${tag === null ? '' : `:${tag}`}${digest === null ? '' : `@${digest}`}`;
}

/** The host and port at which a registry's API listens. */
export function apiHost(registry: string): string {
  return registry === DOCKER_HUB ? DOCKER_HUB_API : registry;
}

/** The names under which credentials of a registry are kept; the first is what credential helpers are asked for. */
export function credentialNames(registry: string): readonly string[] {
  return registry === DOCKER_HUB ? ['https://index.docker.io/v1/', ...DOCKER_HUB_ALIASES] : [registry];
}

/** Whether a host, with or without a port, is this machine itself. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  return name === 'localhost' || name === '[::1]' || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name);
}
