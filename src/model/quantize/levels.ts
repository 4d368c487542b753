import type {CpuClass} from '../../core/model.ts';

/**
 * How far from zero a weight byte may be that is multiplied by activation bytes. With 64 steps no sum can saturate on
 * CPUs without VNNI (see `quantizePerColumn`); where sums have 32 bits, all 127 are right.
 */
export function levelsOn(cpu: CpuClass): number {
  return cpu === 'vnni' || cpu === 'arm64' ? 127 : 64;
}
