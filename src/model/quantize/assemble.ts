import type {GraphProto, ModelProto} from '../onnx.ts';
import {weightsAreInputs} from './graph.ts';

/** The domain of ONNX Runtime's own operators. */
export const MICROSOFT = 'com.microsoft';

/** The version of ONNX's own operators that a model is written in. */
export function opsetOf({opset_import: imports}: ModelProto): number {
  const own = imports.find(({domain = ''}) => domain === '' || domain === 'ai.onnx');
  return Number(own?.version ?? 1);
}

/** A model around its new graph, in a format version and with the operator sets that the new nodes need. */
export function assemble(model: ModelProto, graph: GraphProto): ModelProto {
  const hasDomain = model.opset_import.some(({domain}) => domain === MICROSOFT);
  const opsets = hasDomain ? model.opset_import : [...model.opset_import, {domain: MICROSOFT, version: 1}];
  if (!weightsAreInputs(model)) return {...model, opset_import: opsets, graph};
  // The old weights are still listed as inputs, the new ones are not: only the next version allows that, and there
  // a listed weight could be replaced by the caller. So none is listed.
  const weights = new Set(model.graph?.initializer.map(({name}) => name));
  const input = graph.input.filter(({name}) => !weights.has(name));
  return {...model, ir_version: 4, opset_import: opsets, graph: {...graph, input}};
}
