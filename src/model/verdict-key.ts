import type {Digest} from '../core/digest.ts';
import {digestOfJson} from '../core/digest.ts';
import type {Model} from '../core/model.ts';
import type {JudgeSettings} from './judge.ts';

/** Raised whenever the rules change, so that no stored verdict outlives them. */
const RULES = 2;

/** The digest of everything that a verdict depends on: equal keys, same verdict but for the noise of measuring. */
export function verdictKey(model: Pick<Model, 'digest'>, settings: JudgeSettings): Digest {
  const {mode, objective, accept, calibration, madeFor, shaping, onnxruntime, cpu} = settings;
  return digestOfJson({
    rules: RULES,
    model: model.digest,
    calibration: calibration?.digest ?? null,
    mode,
    objective,
    accept,
    madeFor,
    shaping,
    onnxruntime,
    cpu,
  });
}
