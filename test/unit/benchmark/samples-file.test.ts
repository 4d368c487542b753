import {appendFile, chmod, mkdtemp, readFile, rm, truncate} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {openSamplesFile, readSamples} from '../../../src/benchmark/samples-file.ts';
import type {Sample} from '../../../src/core/sample.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-'));
});
afterEach(async () => {
  await rm(dir, {recursive: true});
});

const sample = (index: number): Sample => ({
  schema: 'thaw.sample/1',
  provider: 'local',
  shot: {index, want: 'warm'},
  at: '2026-11-24T10:00:00.000Z',
  class: 'unknown',
  firstAfterDeploy: false,
  status: 200,
  error: null,
  totalMs: index + 0.5,
  timings: {sentMs: 0, connectedMs: 1, writtenMs: 2, firstByteMs: 3, endMs: 4},
  evidence: null,
});

test('each sample is on disk as a line of its own as soon as it is appended', async () => {
  const file = join(dir, 'deep', 'er', 'run.ndjson');
  const out = await openSamplesFile(file);
  await out.append(sample(0));
  expect(await readFile(file, 'utf8')).toBe(`${JSON.stringify(sample(0))}\n`);
  await out.append(sample(1));
  await out.close();
  expect(await readSamples(file)).toEqual({samples: [sample(0), sample(1)], damagedLines: 0});
});

test('a last line that was cut off costs that line and no other, also when a run goes on after it', async () => {
  const file = join(dir, 'run.ndjson');
  const first = await openSamplesFile(file);
  for (const index of [0, 1, 2]) await first.append(sample(index));
  await first.close();
  await truncate(file, (await readFile(file)).length - 30);
  expect(await readSamples(file)).toEqual({samples: [sample(0), sample(1)], damagedLines: 1});

  const second = await openSamplesFile(file);
  await second.append(sample(3));
  await second.close();
  expect(await readSamples(file)).toEqual({samples: [sample(0), sample(1), sample(3)], damagedLines: 1});
});

test('cut anywhere, the whole lines are read', async () => {
  const file = join(dir, 'run.ndjson');
  const line = `${JSON.stringify(sample(0))}\n`;
  await appendFile(file, line + line);
  for (let length = line.length; length > 0; length--) {
    await truncate(file, line.length + length - 1);
    const {samples} = await readSamples(file);
    // Only the newline missing: the line is whole.
    expect(samples).toHaveLength(length === line.length ? 2 : 1);
  }
});

test('lines of another kind are damage, not samples', async () => {
  const file = join(dir, 'run.ndjson');
  await appendFile(file, 'null\n"text"\n{"schema":"other/1"}\n\n');
  expect(await readSamples(file)).toEqual({samples: [], damagedLines: 3});
});

test('a file that is not there is said to be so', async () => {
  await expect(readSamples(join(dir, 'none'))).rejects.toMatchObject({code: 'INPUT_INVALID'});
});

test.skipIf(process.platform === 'win32' || process.getuid?.() === 0)(
  'a folder that may not be written is said to be so',
  async () => {
    await chmod(dir, 0o500);
    await expect(openSamplesFile(join(dir, 'run.ndjson'))).rejects.toMatchObject({code: 'PERMISSION_DENIED'});
    await chmod(dir, 0o700);
  },
);

test.skipIf(process.platform !== 'linux')('a full disk is said to be so', async () => {
  const out = await openSamplesFile('/dev/full');
  await expect(out.append(sample(0))).rejects.toMatchObject({code: 'DISK_FULL'});
  await out.close();
});
