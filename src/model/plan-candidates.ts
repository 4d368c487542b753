import type {Objective, QuantizeMode} from '../core/model.ts';
import {QUANTIZE_MODES} from '../core/model.ts';
import {formatBytes} from '../core/units.ts';
import type {WantedMode} from './decide.ts';
import type {WeightBytes} from './weight-bytes.ts';

/** What is known of a model before anything is made of it. */
export interface CandidateFacts {
  readonly asked: WantedMode;
  readonly objective: Objective;
  readonly bytes: number;
  readonly weights: WeightBytes;
  /** Why nothing can be gained any more; null for a model that nobody has quantized yet. */
  readonly quantizedAlready: string | null;
  readonly calibrationRows: number;
}

/** A mode that changes the model. */
export type ChangingMode = Exclude<QuantizeMode, 'none'>;

const CHANGING_MODES = QUANTIZE_MODES.filter((mode): mode is ChangingMode => mode !== 'none');

/** The forms to make and measure beside the original, and those not to, each with the reason. */
export interface CandidatePlan {
  readonly tried: readonly ChangingMode[];
  readonly untried: readonly {readonly mode: QuantizeMode; readonly why: string}[];
}

/** Models below this load in an instant: what quantizing them could save is not worth its drift. */
const SMALL_BYTES = 1_000_000;

/** A form that touches less than this share of the weights changes too little to be worth its drift. */
const SHARE_MIN = 0.2;

/** Whether a model is so small that only its bytes could be worth saving. */
export const isSmall = (bytes: number): boolean => bytes < SMALL_BYTES;

/** Chooses what to measure by cheap rules, so that nobody waits for forms that cannot win. */
export function planCandidates(facts: CandidateFacts): CandidatePlan {
  if (facts.asked !== 'auto') {
    return {tried: CHANGING_MODES.filter((mode) => mode === facts.asked), untried: []};
  }
  const tried: ChangingMode[] = [];
  const untried: {mode: QuantizeMode; why: string}[] = [];
  for (const mode of CHANGING_MODES) {
    const why = whyNot(mode, facts);
    if (why === null) tried.push(mode);
    else untried.push({mode, why});
  }
  return {tried, untried};
}

function whyNot(mode: ChangingMode, facts: CandidateFacts): string | null {
  const {bytes, objective, weights, quantizedAlready, calibrationRows} = facts;
  if (quantizedAlready !== null) return quantizedAlready;
  if (isSmall(bytes) && objective !== 'size')
    return `a model under a megabyte (${formatBytes(bytes)}) has little to gain`;
  const total = Object.values(weights).reduce((sum, each) => sum + each, 0);
  const share = (...uses: readonly (keyof WeightBytes)[]): number =>
    uses.reduce((sum, use) => sum + weights[use], 0) / Math.max(1, total);
  const percent = (part: number): string => `${Math.round(100 * part)} %`;
  switch (mode) {
    case 'dynamic': {
      const part = share('products', 'recurrences', 'embeddings');
      return part >= SHARE_MIN
        ? null
        : `${percent(part)} of the weights are in matrix products, LSTMs and tables`;
    }
    case 'static': {
      const part = share('convolutions');
      if (part < SHARE_MIN) return `${percent(part)} of the weights are in convolutions, which it is for`;
      return calibrationRows > 0 ? null : 'there are no rows to calibrate it with';
    }
    case 'int8-blocks':
    case 'int4': {
      const part = share('products');
      return part >= SHARE_MIN
        ? null
        : `${percent(part)} of the weights are in matrix products, which it is for`;
    }
    default:
      return objective === 'warm' ? 'it computes as the original does, so it is no faster warm' : null;
  }
}
