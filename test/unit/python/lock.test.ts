import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {beforeEach, describe, expect, test} from 'vitest';
import {
  lockFileName,
  lockPackages,
  parseLock,
  planInstallation,
  planWanted,
  type LockRequest,
} from '../../../src/python/lock.ts';
import {readRequirements} from '../../../src/python/requirements.ts';
import {parseCompiled, parseReport, type Resolved} from '../../../src/python/resolve.ts';
import {pipTarget, platformTags, uvPlatforms, type LockTarget} from '../../../src/python/target.ts';
import {fakeTools, type Call} from './tools.ts';

const ARM: LockTarget = {platform: 'linux/arm64', version: '3.11', glibc: '2.36'};
const HASH = 'a'.repeat(64);

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-lock-'));
  return () => rm(dir, {recursive: true, force: true});
});

describe('the tags of a target', () => {
  test('go from its glibc down to the oldest, with the names that these had', () => {
    const tags = platformTags({platform: 'linux/amd64', version: '3.11', glibc: '2.18'});
    expect(tags.slice(0, 3)).toEqual([
      'manylinux_2_18_x86_64',
      'manylinux_2_17_x86_64',
      'manylinux2014_x86_64',
    ]);
    expect(tags).toContain('manylinux1_x86_64');
    expect(platformTags({...ARM, glibc: '2.18'})).toEqual([
      'manylinux_2_18_aarch64',
      'manylinux_2_17_aarch64',
      'manylinux2014_aarch64',
      'linux_aarch64',
    ]);
  });

  test('are told to pip and to uv', () => {
    expect(pipTarget(ARM).join(' ')).toMatch(
      /^--platform manylinux_2_36_aarch64 .*--python-version 3\.11 --implementation cp --abi cp311 --abi abi3 --abi none$/,
    );
    expect(uvPlatforms({...ARM, glibc: '2.30'})).toEqual([
      'aarch64-manylinux_2_28',
      'aarch64-manylinux_2_17',
    ]);
  });
});

describe('what is asked for', () => {
  const parts = {
    options: [],
    packages: [
      {name: 'torch', text: 'torch[opt]==2.5'},
      {name: 'onnxruntime-gpu', text: 'onnxruntime-gpu'},
    ],
    constraints: ['numpy<3'],
  };
  const requirements = {file: 'r', files: [], text: '', digest: `sha256:${HASH}`, parts} as const;

  test('is not what the base has, which only limits the rest', () => {
    expect(planWanted({requirements, additions: [], provided: ['Torch']})).toEqual({
      options: [],
      packages: ['onnxruntime-gpu'],
      constraints: ['numpy<3', 'torch==2.5'],
    });
  });

  test('is ONNX Runtime for the model, unless some build of it is there', () => {
    const additions = ['onnxruntime==1.30.0'];
    expect(planWanted({requirements, additions, provided: []}).packages).not.toContain(additions[0]);
    expect(planWanted({requirements: null, additions, provided: []}).packages).toEqual(additions);
    expect(planWanted({requirements: null, additions, provided: ['onnxruntime']}).packages).toEqual([]);
  });
});

const pinned = (name: string, neededBy: readonly string[], requested = false): Resolved => ({
  name,
  version: '1.0',
  url: null,
  hashes: [`sha256:${HASH}`],
  requested,
  neededBy,
});

test('what only the base’s packages need is left out with them', () => {
  const {kept, leftOut} = planInstallation(
    [
      pinned('vision', [], true),
      pinned('torch', ['vision']),
      pinned('sympy', ['torch']),
      pinned('mpmath', ['sympy']),
      pinned('numpy', ['torch', 'vision']),
    ],
    ['torch'],
  );
  expect(kept.map(({name}) => name)).toEqual(['numpy', 'vision']);
  expect(leftOut).toEqual(['mpmath==1.0', 'sympy==1.0', 'torch==1.0']);
});

test('what uv prints is read, with its reasons', () => {
  const text = `numpy==2.4.6 \\
    --hash=sha256:${HASH} \\
    --hash=sha256:${'b'.repeat(64)}
    # via
    #   -c limits.txt
    #   pandas
Foo_Bar @ https://me:pw@h/foo_bar-3.1-py3-none-any.whl \\
    --hash=sha256:${HASH}
    # via -r requirements.txt
`;
  expect(parseCompiled(text)).toEqual([
    {
      name: 'numpy',
      version: '2.4.6',
      url: null,
      hashes: [`sha256:${HASH}`, `sha256:${'b'.repeat(64)}`],
      requested: false,
      neededBy: ['pandas'],
    },
    {
      name: 'foo-bar',
      version: '3.1',
      url: 'https://h/foo_bar-3.1-py3-none-any.whl',
      hashes: [`sha256:${HASH}`],
      requested: true,
      neededBy: [],
    },
  ]);
});

const report = (...items: readonly (readonly [name: string, needs: readonly string[]])[]): string =>
  JSON.stringify({
    install: items.map(([name, requires_dist], nth) => ({
      metadata: {name, version: `1.${nth}`, requires_dist},
      download_info: {url: `https://h/${name}.whl`, archive_info: {hash: `sha256=${HASH}`}},
      is_direct: false,
      requested: nth === 0,
    })),
  });

test('what pip reports is read, with its reasons', () => {
  expect(parseReport(report(['Pandas', ['numpy>=1; python_version >= "3"']], ['numpy', []]))).toMatchObject([
    {name: 'pandas', version: '1.0', hashes: [`sha256:${HASH}`], requested: true, neededBy: []},
    {name: 'numpy', version: '1.1', requested: false, neededBy: ['pandas']},
  ]);
});

describe('a lock', () => {
  /** pip alone is there, and reports two packages. */
  const calls: Call[] = [];
  const tools = fakeTools({
    run: async (call) => {
      const {program, args} = call;
      if (program === 'uv') return {exitCode: 1, stdout: '', stderr: ''};
      if (args.includes('--version')) return {exitCode: 0, stdout: 'pip 23.0.1 from somewhere', stderr: ''};
      calls.push(call);
      await writeFile(args[args.indexOf('--report') + 1]!, report(['pandas', ['numpy']], ['numpy', []]));
      return {exitCode: 0, stdout: 'Collecting pandas', stderr: ''};
    },
  });
  const lock = async (request: Partial<LockRequest> = {}) => {
    const requirements = await readRequirements(dir, null, async () => tools);
    return lockPackages(
      {projectDir: dir, requirements, additions: [], provided: [], target: ARM, ...request},
      tools,
    );
  };
  beforeEach(() => {
    calls.length = 0;
  });

  test('is written beside the project’s file, and only once', async () => {
    await writeFile(join(dir, 'requirements.txt'), '--index-url https://me:sesame@h/simple\npandas\n');
    const first = await lock();
    expect(first).toMatchObject({
      packages: [
        {name: 'numpy', version: '1.1'},
        {name: 'pandas', version: '1.0'},
      ],
      remembered: false,
    });
    const text = await readFile(join(dir, 'requirements-linux-arm64-py3.11.lock'), 'utf8');
    expect(text).toContain(`numpy==1.1 \\\n    --hash=sha256:${HASH}\npandas==1.0 \\\n`);
    expect(text).not.toMatch(/sesame|me:/);
    expect(await lock()).toMatchObject({remembered: true, text, packages: first?.packages});
    expect(calls).toHaveLength(1);
    expect(JSON.parse(calls[0]!.env['THAW_TARGET']!)).toMatchObject({
      platform_machine: 'aarch64',
      python_version: '3.11',
    });
  });

  test('is made anew for other requirements, and for a base with an older glibc, but not for a newer one', async () => {
    await writeFile(join(dir, 'requirements.txt'), 'pandas\n');
    await lock();
    await lock({target: {...ARM, glibc: '2.39'}});
    expect(calls).toHaveLength(1);
    await lock({target: {...ARM, glibc: '2.28'}});
    expect(calls).toHaveLength(2);
    await writeFile(join(dir, 'requirements.txt'), 'pandas>1\n');
    await lock();
    expect(calls).toHaveLength(3);
  });

  test('of nothing is none', async () => {
    expect(await lock()).toBeNull();
    await writeFile(join(dir, 'requirements.txt'), 'torch\n');
    expect(await lock({provided: ['torch']})).toBeNull();
    expect(calls).toEqual([]);
  });

  test('says what the base has, and is read back', async () => {
    await writeFile(join(dir, 'requirements.txt'), 'pandas\n');
    const made = await lock({provided: ['numpy']});
    expect(made?.leftOut).toEqual(['numpy==1.1']);
    expect(parseLock(made!.text)).toMatchObject({
      target: ARM,
      packages: [{name: 'pandas', version: '1.0'}],
      leftOut: ['numpy==1.1'],
    });
    expect(parseLock('numpy==1.0\n')).toBeNull();
    expect(lockFileName(ARM)).toBe('requirements-linux-arm64-py3.11.lock');
  });
});
