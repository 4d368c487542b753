import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect, test} from 'vitest';
import {hasSampleOf} from '../../../src/benchmark/earlier-samples.ts';

test('an image has been measured where an earlier sample of the same provider says so', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'thaw-'));
  const [known, other] = [`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`] as const;
  try {
    expect(await hasSampleOf(join(dir, 'none'), 'local', known)).toBe(false);
    const line = {schema: 'thaw.sample/1', provider: 'local', evidence: {bootId: 'b', image: known}};
    await writeFile(join(dir, 'run.ndjson'), `${JSON.stringify(line)}\n`);
    expect(await hasSampleOf(dir, 'local', known)).toBe(true);
    expect(await hasSampleOf(dir, 'local', other)).toBe(false);
    expect(await hasSampleOf(dir, 'elsewhere', known)).toBe(false);

    // A run that was ended before its first request has only meant to reach it.
    const header = {schema: 'thaw.run/1', targets: [{provider: 'local', image: other}]};
    await writeFile(join(dir, 'begun.ndjson'), `${JSON.stringify(header)}\n`);
    expect(await hasSampleOf(dir, 'local', other)).toBe(false);
  } finally {
    await rm(dir, {recursive: true});
  }
});
