import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {appendFile, chmod, mkdtemp, readFile, rm, truncate, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {build} from 'esbuild';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {openJsonLines} from '../../../src/benchmark/json-lines.ts';
import {planRemainder, refuseOtherRun} from '../../../src/benchmark/resume.ts';
import {
  createRunFile,
  findUnfinishedRun,
  readRunFile,
  resumeRunFile,
} from '../../../src/benchmark/run-file.ts';
import type {RunHeader} from '../../../src/core/report.ts';
import type {Sample} from '../../../src/core/sample.ts';
import {loadOf} from './report-fixture.ts';

let dir: string;
let file: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-'));
  file = join(dir, 'run.ndjson');
});
afterEach(async () => {
  await rm(dir, {recursive: true});
});

const NOW = '2026-11-24T11:00:00.000Z';

const header: RunHeader = {
  schema: 'thaw.run/1',
  thaw: '0.1.0',
  function: 'credit-scoring',
  startedAt: '2026-11-24T10:00:00.000Z',
  machine: {cpu: 'a processor', cores: 2},
  request: {cold: 2, warm: 3, load: null, method: 'POST', headers: ['content-type'], bodies: []},
  targets: [
    {
      provider: 'local',
      url: 'http://127.0.0.1:7000/',
      image: `sha256:${'1'.repeat(64)}`,
      notes: [],
      freshImage: true,
    },
  ],
};

const sample = (index: number, change: Partial<Sample> = {}): Sample => ({
  schema: 'thaw.sample/1',
  provider: 'local',
  shot: {index, want: index < 3 ? 'cold' : 'warm'},
  at: '2026-11-24T10:00:00.000Z',
  class: index < 3 ? 'cold' : 'warm',
  firstAfterDeploy: index === 0,
  status: 200,
  error: null,
  totalMs: index + 0.5,
  timings: {sentMs: 0, connectedMs: 1, writtenMs: 2, firstByteMs: 3, endMs: 4},
  evidence: null,
  ...change,
});

async function write(samples: readonly Sample[]): Promise<void> {
  const run = await createRunFile(file, header);
  await run.append(...samples);
  await run.close();
}

const indices = (samples: readonly {readonly shot: {readonly index: number}}[]): number[] =>
  samples.map(({shot}) => shot.index);

test('what was measured is on disk line by line, behind the header, and is read back', async () => {
  const run = await createRunFile(join(dir, 'deep', 'er.ndjson'), header);
  await run.append(sample(0));
  const text = await readFile(join(dir, 'deep', 'er.ndjson'), 'utf8');
  expect(text).toBe(`${JSON.stringify(header)}\n${JSON.stringify(sample(0))}\n`);
  // The two separators are line ends to some readers.
  const odd = sample(1, {error: 'other: a\u2028b\u2029c\nd "é" 😀'});
  await run.append(odd, sample(2));
  await run.close();
  expect(await readRunFile(join(dir, 'deep', 'er.ndjson'))).toEqual({
    file: join(dir, 'deep', 'er.ndjson'),
    header,
    samples: [sample(0), odd, sample(2)],
    loads: new Map(),
    loadSamples: 0,
    resumedAt: [],
    finished: false,
    damagedLines: 0,
  });
});

test('cut at any byte, every whole line is read, and a run that goes on loses nothing more', async () => {
  await write([0, 1, 2].map((index) => sample(index, {error: index === 1 ? 'é\u2028' : null})));
  const whole = await readFile(file);
  const ends = [...whole.entries()].filter(([, byte]) => byte === 10).map(([at]) => at);
  const headerEnd = ends[0] ?? 0;
  expect(ends).toHaveLength(4);
  for (let length = 0; length <= whole.length; length++) {
    await writeFile(file, whole.subarray(0, length));
    if (length < headerEnd) {
      await expect(readRunFile(file)).rejects.toMatchObject({code: 'INPUT_INVALID'});
      expect(await findUnfinishedRun(dir)).toBeNull();
      continue;
    }
    // A line that only lacks its line end is whole.
    const count = ends.filter((end) => end <= length).length - 1;
    const torn = ends.includes(length) || ends.includes(length - 1) ? 0 : 1;
    const cut = await readRunFile(file);
    expect([cut.samples.length, cut.damagedLines]).toEqual([count, torn]);

    const resumed = await resumeRunFile(file, NOW);
    await resumed.append(sample(3));
    await resumed.close();
    const gone = await readRunFile(file);
    expect([indices(gone.samples).at(-1), gone.samples.length, gone.damagedLines]).toEqual([
      3,
      count + 1,
      torn,
    ]);
    expect(gone.resumedAt).toEqual([NOW]);
  }
});

test('what is left is the shots that have no sample', async () => {
  await write([sample(0), sample(1), sample(3)]);
  const remainder = planRemainder(await readRunFile(file), 'local');
  // Two cold, one more that is apart because the image is fresh, three warm.
  expect(remainder.shots.map(({index}) => index)).toEqual([2, 4, 5]);
  expect(remainder.shots.map(({want}) => want)).toEqual(['cold', 'warm', 'warm']);
  expect(indices(remainder.kept)).toEqual([0, 1, 3]);
  expect(remainder).toMatchObject({freshImage: false, load: null, loadKept: null});
});

test('a run that was ended before its first cold start still has that one ahead', async () => {
  await write([sample(0, {firstAfterDeploy: false, class: 'unknown', error: 'HTTP 500'})]);
  const remainder = planRemainder(await readRunFile(file), 'local');
  expect(remainder.freshImage).toBe(true);
  expect(remainder.shots.map(({index}) => index)).toEqual([1, 2, 3, 4, 5]);
});

test('a shot that two runs measured at once counts once', async () => {
  await write([sample(0), sample(1), sample(1, {totalMs: 99})]);
  const {samples} = await readRunFile(file);
  expect(samples).toEqual([sample(0), sample(1)]);
});

test('a clock that jumps changes neither the order nor what is left', async () => {
  const at = ['2026-11-24T10:00:00.000Z', '2031-01-01T00:00:00.000Z', '1999-12-31T23:59:59.000Z'];
  await write(at.map((when, index) => sample(index, {at: when})));
  const run = await readRunFile(file);
  expect(run.samples.map((kept) => kept.at)).toEqual(at);
  expect(planRemainder(run, 'local').shots.map(({index}) => index)).toEqual([3, 4, 5]);
});

test('a whole load is kept, and one that was cut is fired anew', async () => {
  const load = loadOf([10, 11]);
  const withLoad: RunHeader = {...header, request: {...header.request, load: load.shape}};
  const run = await createRunFile(file, withLoad);
  await run.append(sample(0), sample(6, {shot: {index: 6, want: 'any', stage: 0}}));
  expect(planRemainder(await readRunFile(file), 'local')).toMatchObject({load: load.shape, loadKept: null});
  await run.appendLoad('local', load);
  await run.close();
  const read = await readRunFile(file);
  expect(read.loadSamples).toBe(1);
  expect(indices(read.samples)).toEqual([0]);
  expect(planRemainder(read, 'local')).toMatchObject({load: null, loadKept: load});
});

test('the latest run that is not finished is found', async () => {
  expect(await findUnfinishedRun(join(dir, 'none'))).toBeNull();
  expect(await findUnfinishedRun(dir)).toBeNull();
  for (const name of ['2026-11-20.ndjson', '2026-11-22.ndjson', '2026-11-23.ndjson']) {
    const run = await createRunFile(join(dir, name), header);
    await run.append(sample(0));
    if (name === '2026-11-23.ndjson') await run.finish(NOW);
    await run.close();
  }
  // From a time when runs had no header, not one at all, and one that was ended before its header was whole.
  await writeFile(join(dir, '2026-11-24.ndjson'), `${JSON.stringify(sample(0))}\n`);
  await writeFile(join(dir, '2026-11-25.ndjson'), '');
  await writeFile(join(dir, '2026-11-26.ndjson'), '{"schema":"thaw.run/1","tha');
  await writeFile(join(dir, '2026-11-27.txt'), '');
  expect(await findUnfinishedRun(dir)).toBe(join(dir, '2026-11-22.ndjson'));
  expect((await readRunFile(join(dir, '2026-11-23.ndjson'))).finished).toBe(true);
});

test('an end that was cut off does not end a run', async () => {
  const run = await createRunFile(file, header);
  await run.finish(NOW);
  await run.close();
  expect(await findUnfinishedRun(dir)).toBeNull();
  await truncate(file, (await readFile(file)).length - 1);
  expect(await findUnfinishedRun(dir)).toBe(file);
});

test('a run is gone on with only where it still measures the same', async () => {
  await write([sample(0)]);
  const run = await readRunFile(file);
  const [target] = header.targets;
  if (!target) throw new Error('no target');
  const refused = (now: RunHeader): string[] => {
    try {
      refuseOtherRun(run, now);
      return [];
    } catch (error) {
      expect(error).toMatchObject({code: 'INPUT_INVALID', facts: {file}});
      return (error as {facts: {differences: string[]}}).facts.differences;
    }
  };
  expect(refused(header)).toEqual([]);
  // A later start, another thaw and another port of the same image are no other run.
  expect(
    refused({...header, thaw: '0.1.1', startedAt: NOW, targets: [{...target, url: 'http://127.0.0.1:1/'}]}),
  ).toEqual([]);
  expect(refused({...header, function: 'other'})).toEqual(['it measured credit-scoring, not other']);
  expect(refused({...header, machine: {cores: 8}})).toEqual(['it was measured from another machine']);
  expect(refused({...header, targets: [{...target, image: `sha256:${'2'.repeat(64)}`}]})).toEqual([
    'local runs another image now',
  ]);
  expect(refused({...header, targets: [{...target, provider: 'far'}]})).toEqual([
    'it measured local, not far',
  ]);
  expect(
    refused({
      ...header,
      request: {...header.request, cold: 9, method: 'GET', headers: [], load: loadOf([1]).shape},
    }),
  ).toEqual([
    'it fires 2 cold and 3 warm requests, not 9 and 3',
    'its load is another',
    'it sends POST, not GET',
    'its headers are others',
  ]);
  expect(() => refuseOtherRun({...run, finished: true}, header)).toThrow('it is finished');
});

test('a file of another kind or age, or none, is said to be so', async () => {
  await expect(readRunFile(join(dir, 'none'))).rejects.toMatchObject({code: 'INPUT_INVALID'});
  await expect(resumeRunFile(join(dir, 'none'), NOW)).rejects.toMatchObject({code: 'INPUT_INVALID'});
  await expect(readRunFile(dir)).rejects.toMatchObject({code: 'INPUT_INVALID'});
  await writeFile(file, '');
  await expect(readRunFile(file)).rejects.toThrow('the first line is not whole');
  await writeFile(file, '{"schema":"thaw.run/7","targets":[]}\n');
  await expect(readRunFile(file)).rejects.toThrow('thaw.run/7, and this thaw reads thaw.run/1');
});

test('a run is never written over', async () => {
  await write([sample(0)]);
  await expect(createRunFile(file, header)).rejects.toMatchObject({code: 'FILE_EXISTS'});
  expect((await readRunFile(file)).samples).toHaveLength(1);
});

test('lines that are no part of a run are damage', async () => {
  await write([sample(0)]);
  await appendFile(file, 'null\n"text"\n[1]\n{"schema":"other/1"}\n{"schema":"thaw.sample/1"}\n\n');
  expect(await readRunFile(file)).toMatchObject({samples: [sample(0)], damagedLines: 5});
});

test('calls that overlap come to lie one after the other, large or small', async () => {
  const run = await createRunFile(file, header);
  // A large line takes several writes, between which a small one would fit.
  const error = 'x'.repeat(3_000_000);
  const all = Array.from({length: 20}, (_, index) => sample(index, index % 5 === 0 ? {error} : {}));
  await Promise.all(all.map((each) => run.append(each)));
  await run.close();
  const {samples, damagedLines} = await readRunFile(file);
  expect(damagedLines).toBe(0);
  expect(indices(samples)).toEqual(indices(all));
});

test.skipIf(process.platform === 'win32' || process.getuid?.() === 0)(
  'a folder that may not be written is said to be so',
  async () => {
    await chmod(dir, 0o500);
    await expect(createRunFile(file, header)).rejects.toMatchObject({code: 'PERMISSION_DENIED'});
    await chmod(dir, 0o700);
  },
);

test.skipIf(process.platform !== 'linux')('a full disk is said to be so, at every call', async () => {
  await expect(resumeRunFile('/dev/full', NOW)).rejects.toMatchObject({code: 'DISK_FULL'});
  const lines = await openJsonLines('/dev/full');
  await expect(lines.append([sample(0)])).rejects.toMatchObject({
    code: 'DISK_FULL',
    facts: {path: '/dev/full'},
  });
  await expect(lines.append([sample(1)])).rejects.toMatchObject({code: 'DISK_FULL'});
  await lines.close();
});

test('killed at a random moment, all that was said to be kept is there', async () => {
  const program = join(dir, 'program.mjs');
  await build({
    stdin: {
      contents: `
        import {createRunFile} from ${JSON.stringify(join(import.meta.dirname, '../../../src/benchmark/run-file.ts'))};
        const run = await createRunFile(process.argv[2], JSON.parse(process.argv[3]));
        for (let index = 0; ; index++) {
          await run.append({...JSON.parse(process.argv[4]), shot: {index, want: 'warm'}});
          process.stdout.write(index + '\\n');
        }`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: program,
  });
  for (const afterLines of [1, 40, 333]) {
    const run = join(dir, `${afterLines}.ndjson`);
    const child = spawn(process.execPath, [program, run, JSON.stringify(header), JSON.stringify(sample(0))], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    for await (const chunk of child.stdout) {
      said += String(chunk);
      if (said.split('\n').length > afterLines && !child.killed) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    const kept = said.split('\n').slice(0, -1).map(Number);
    expect(kept.length).toBeGreaterThanOrEqual(afterLines);
    const {samples, finished} = await readRunFile(run);
    expect(finished).toBe(false);
    expect(indices(samples).slice(0, kept.length)).toEqual(kept);
  }
});
