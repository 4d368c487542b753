import type {Shot} from '../core/sample.ts';

/** How many requests of which class are wanted. */
export interface Wish {
  readonly cold: number;
  readonly warm: number;
  /**
   * The image has never been started where it is deployed. Its first cold start is reported apart, so one more is
   * made: the wanted number stays whole.
   */
  readonly freshImage: boolean;
}

/**
 * Lays out a run: the cold shots, then the warm ones. No shot is a warm-up that is thrown away: the last cold shot
 * leaves a warm instance behind, and without one the first warm shot comes out cold, is counted as missed, and
 * shown.
 */
export function scheduleShots({cold, warm, freshImage}: Wish): readonly Shot[] {
  const colds = cold > 0 && freshImage ? cold + 1 : cold;
  return Array.from({length: colds + warm}, (_, index) => ({index, want: index < colds ? 'cold' : 'warm'}));
}
