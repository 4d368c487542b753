import {expect, test} from 'vitest';
import {inspectCpu, renderCpu} from '../../../src/model/cpu.ts';

test('a CPU is named with the instructions that matter', () => {
  const x64 = 'processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 avx512f avx512_vnni sse\n';
  expect(renderCpu('AMD EPYC', 'x64', x64)).toBe('AMD EPYC (avx2, avx512_vnni)');
  expect(renderCpu('unknown', 'arm64', 'Features\t: fp asimd asimddp\n')).toBe('arm64 (asimddp)');
  expect(renderCpu('Apple M1', 'arm64', '')).toBe('Apple M1');
  expect(renderCpu('Xeon ', 'x64', 'flags : sse2\n')).toBe('Xeon');
});

test('this machine has a CPU with a name', async () => {
  expect(await inspectCpu()).not.toBe('');
});
