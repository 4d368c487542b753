import {assemble} from './assemble.ts';
import {labelOf, pruneConstants} from './graph.ts';
import type {QuantizeInput, QuantizeResult} from './mode.ts';
import {KEPT_FLOAT} from './rewrite.ts';
import {planStatic} from './static/plan.ts';
import type {Ranges} from './static/range.ts';
import {integerWeightsOf} from './static/weights.ts';
import type {IntegerWeights} from './static/weights.ts';
import {writePairs} from './static/pairs.ts';

/** What a static quantization needs beside what every mode is given. */
export interface StaticInput extends QuantizeInput {
  /** As `calibrate` finds them. */
  readonly ranges: Ranges;
}

/**
 * Quantizes a model statically: activations become unsigned bytes of the given ranges, weights signed bytes with a
 * scale for each output channel, biases 32-bit integers in steps of both scales' product; all of it written as pairs
 * of QuantizeLinear and DequantizeLinear around the nodes as they were, from which ONNX Runtime makes integer
 * operators while it loads the model. Batch normalizations behind convolutions are folded into them first.
 *
 * @throws ThawError MODEL_INVALID for a weight whose values do not fit its shape
 */
export function quantizeStatic(input: StaticInput): QuantizeResult {
  return quantizeExcept(input, new Map([...input.keepFloat].map((label) => [label, KEPT_FLOAT])));
}

/** @param kept labels of nodes that stay as they are, and why */
function quantizeExcept(input: StaticInput, kept: ReadonlyMap<string, string>): QuantizeResult {
  const {readExternal, ranges, cpu} = input;
  const plan = planStatic(input.model, readExternal, kept);
  if ('failure' in plan) return plan;
  const unknown = [...plan.values.values()].find((name) => !ranges.has(name));
  if (unknown !== undefined) return {failure: `no range was measured of ${unknown}`};

  const weights = new Map<string, IntegerWeights>();
  const odd: string[] = [];
  for (const found of plan.nodes) {
    const label = labelOf(found.node);
    const made = integerWeightsOf(found, plan, ranges, readExternal, cpu);
    if (made) weights.set(label, made);
    else odd.push(label);
  }
  // Again, as values that were to be bytes for their sake alone must not be.
  if (odd.length > 0) {
    const why = 'its weight or bias has NaN or infinity';
    return quantizeExcept(input, new Map([...kept, ...odd.map((label) => [label, why] as const)]));
  }

  const replaced = plan.nodes.flatMap(({node}) => node.input.slice(1));
  const graph = pruneConstants(writePairs(plan, ranges, weights), new Set(replaced));
  return {
    failure: null,
    model: assemble(plan.model, graph),
    session: {},
    quantizedNodes: plan.nodes.map(({node}) => labelOf(node)),
    leftAlone: plan.leftAlone,
  };
}
