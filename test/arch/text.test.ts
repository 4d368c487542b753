import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {listFiles, ROOT} from './source.ts';

/** Made by tools or by runs; not the project's own text. */
const SKIPPED = new Set(['node_modules', 'dist', '.git', '.thaw', 'coverage']);

/** Hosts of package registries, in pieces, so that this file does not name them. */
const REGISTRY_HOSTS = [
  ['registry', 'npmjs', 'org'],
  ['registry', 'yarnpkg', 'com'],
  ['npm', 'pkg', 'github', 'com'],
  ['deb', 'debian', 'org'],
  ['archive', 'ubuntu', 'com'],
  ['pypi', 'org'],
  ['files', 'pythonhosted', 'org'],
  ['proxy', 'golang', 'org'],
].map((pieces) => pieces.join('.'));

describe('the text of the repository', () => {
  it('names no host of a package registry: the user’s own settings say where packages come from', async () => {
    const paths = await listFiles('.', (name) => SKIPPED.has(name));
    expect(paths.length).toBeGreaterThan(50);
    const wrong: string[] = [];
    for (const path of paths) {
      const text = await readFile(join(ROOT, path), 'latin1');
      wrong.push(
        ...REGISTRY_HOSTS.filter((host) => text.includes(host)).map((host) => `${path} names ${host}`),
      );
    }
    expect(wrong).toEqual([]);
  });
});
