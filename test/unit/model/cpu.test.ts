import {expect, test} from 'vitest';
import {CPU_CLASSES} from '../../../src/core/model.ts';
import {describeCpu, inspectCpu} from '../../../src/model/cpu.ts';

test('a CPU is named with the instructions that matter, and classed by them', () => {
  const x64 = 'processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 avx512f avx512_vnni sse\n';
  expect(describeCpu('AMD EPYC', 'x64', x64)).toEqual({name: 'AMD EPYC (avx2, avx512_vnni)', class: 'vnni'});
  expect(describeCpu('Core', 'x64', 'flags : avx2 avx_vnni')).toEqual({
    name: 'Core (avx2, avx_vnni)',
    class: 'vnni',
  });
  expect(describeCpu('EPYC-Rome', 'x64', 'flags : avx2')).toEqual({name: 'EPYC-Rome (avx2)', class: 'avx2'});
  expect(describeCpu('unknown', 'arm64', 'Features\t: fp asimd asimddp\n')).toEqual({
    name: 'arm64 (asimddp)',
    class: 'arm64',
  });
  expect(describeCpu('Apple M1', 'arm64', '')).toEqual({name: 'Apple M1', class: 'arm64'});
  expect(describeCpu('Xeon ', 'x64', 'flags : sse2\n')).toEqual({name: 'Xeon', class: 'any'});
});

test('this machine has a CPU with a name and a class', async () => {
  const cpu = await inspectCpu();
  expect(cpu.name).not.toBe('');
  expect(CPU_CLASSES).toContain(cpu.class);
});
