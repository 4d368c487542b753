import {readFile} from 'node:fs/promises';
import {arch, cpus} from 'node:os';
import type {CpuClass} from '../core/model.ts';

/** A CPU, by name and by what decides how fast INT8 is on it, and whether it can saturate. */
export interface Cpu {
  /** `AMD EPYC (avx2, avx512_vnni)`. */
  readonly name: string;
  /** `any` where the system does not tell. */
  readonly class: CpuClass;
}

/** The instructions that matter to quantized models. */
const RELEVANT_FLAGS = ['avx2', 'avx512_vnni', 'avx_vnni', 'asimddp', 'i8mm'];

/** This machine's CPU. */
export async function inspectCpu(): Promise<Cpu> {
  const model = cpus()[0]?.model ?? '';
  const cpuinfo = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  return describeCpu(model, arch(), cpuinfo);
}

/**
 * Names and classes a CPU. Where the system does not list instructions (macOS, Windows) there are none in the name.
 *
 * @param architecture as `process.arch` names it
 * @param cpuinfo Linux's `/proc/cpuinfo`, or an empty string
 */
export function describeCpu(model: string, architecture: string, cpuinfo: string): Cpu {
  const listed = /^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo)?.[1]?.trim().split(/\s+/) ?? [];
  const flags = RELEVANT_FLAGS.filter((flag) => listed.includes(flag));
  const name = model.trim() === '' || model === 'unknown' ? architecture : model.trim();
  return {
    name: flags.length === 0 ? name : `${name} (${flags.join(', ')})`,
    class: classOf(architecture, flags),
  };
}

/** Arm has summed bytes in 32 bits from the start: there is no difference worth a class. */
function classOf(architecture: string, flags: readonly string[]): CpuClass {
  if (architecture === 'arm64') return 'arm64';
  if (flags.includes('avx512_vnni') || flags.includes('avx_vnni')) return 'vnni';
  return flags.includes('avx2') ? 'avx2' : 'any';
}
