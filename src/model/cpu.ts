import {readFile} from 'node:fs/promises';
import {arch, cpus} from 'node:os';

/** The instructions that decide how fast INT8 is, and whether it can saturate. */
const RELEVANT_FLAGS = ['avx2', 'avx512_vnni', 'avx_vnni', 'asimddp', 'i8mm'];

/** This machine's CPU, by name and by the instructions that matter to quantized models. */
export async function inspectCpu(): Promise<string> {
  const model = cpus()[0]?.model ?? '';
  const cpuinfo = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  return renderCpu(model, arch(), cpuinfo);
}

/**
 * Names a CPU: `AMD EPYC (avx2, avx512_vnni)`. Where the system does not list instructions (macOS, Windows) there
 * are none in the name.
 *
 * @param cpuinfo Linux's `/proc/cpuinfo`, or an empty string
 */
export function renderCpu(model: string, architecture: string, cpuinfo: string): string {
  const listed = /^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo)?.[1]?.trim().split(/\s+/) ?? [];
  const flags = RELEVANT_FLAGS.filter((flag) => listed.includes(flag));
  const name = model.trim() === '' || model === 'unknown' ? architecture : model.trim();
  return flags.length === 0 ? name : `${name} (${flags.join(', ')})`;
}
