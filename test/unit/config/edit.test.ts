import {mkdtemp, readdir, readFile, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect, it} from 'vitest';
import {writeWarmMin} from '../../../src/config/edit.ts';

async function edited(text: string, min: number): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'thaw-edit-'));
  const file = join(dir, 'thaw.yaml');
  await writeFile(file, text);
  await writeWarmMin(file, 'local', min);
  expect(await readdir(dir)).toEqual(['thaw.yaml']);
  return readFile(file, 'utf8');
}

it('changes the number where the file has it, and keeps comments, quotes and order', async () => {
  const text = `# my function
name: scoring # its name
accept: {cosine: '>=0.998', nsr: '<=0.01'} # a long line that must not be folded, however long it may get to be in the end, really
warm: {min: 0, schedule: []} # instances kept ready
env:
  LEVEL: "info"
`;
  expect(await edited(text, 2)).toBe(text.replace('min: 0', 'min: 2'));
});

it('changes the provider section if that has its own number', async () => {
  const text = 'warm: {min: 1}\nproviders:\n  local: {warm: {min: 0}}\n';
  expect(await edited(text, 3)).toBe('warm: {min: 1}\nproviders:\n  local: {warm: {min: 3}}\n');
});

it('adds what is not there yet', async () => {
  expect(await edited('name: scoring\n', 1)).toBe('name: scoring\nwarm:\n  min: 1\n');
});
