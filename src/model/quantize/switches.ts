import type {JsonObject} from '../../core/json.ts';
import type {Row} from '../calibration.ts';
import {DATA_TYPE} from '../onnx.ts';
import type {AttributeProto, GraphProto, ModelProto, NodeProto} from '../onnx.ts';
import {assemble} from './assemble.ts';
import {createByteWeights, withWeights} from './byte-weights.ts';
import {integerAttribute, labelOf, replaceNodes, scopesOf} from './graph.ts';
import type {QuantizeInput} from './mode.ts';
import {prepare} from './rewrite.ts';
import type {NodeRules} from './rewrite.ts';

/** A model that has each node both as it was and quantized, and is told with each row which of the two to use. */
export interface SwitchedModel {
  readonly failure: null;
  readonly model: ModelProto;
  readonly session: JsonObject;
  /** The row with the nodes of these labels quantized, and all others as they were. */
  readonly select: (row: Row, quantized: ReadonlySet<string>) => Row;
}

/** Makes a model with switches, or says why there is none. */
export type MakeSwitched = () => SwitchedModel | {readonly failure: string};

/**
 * Puts in the place of each node that a mode would rewrite an If between the node and what it would become, so that
 * one process can try as many mixtures as it is given rows.
 *
 * @throws ThawError MODEL_INVALID for a weight whose values do not fit its shape
 */
export function switchNodes(
  {model: given, readExternal, memo}: QuantizeInput,
  {levels = 127, quantizableAt}: NodeRules,
): SwitchedModel | {readonly failure: string} {
  const prepared = prepare(given, readExternal);
  if (prepared.failure !== null) return prepared;
  const {model, graph} = prepared;

  const weights = createByteWeights(graph, readExternal, levels, memo);
  const input = weights.uniqueName('quantized');
  const labels: string[] = [];
  const gathering: NodeProto[] = [];
  const replaced = new Map<NodeProto, readonly NodeProto[]>();
  for (const {graph: scope, index} of scopesOf(model)) {
    // What follows a node must not be taken in: it follows both of its forms.
    const alone = {...index, readers: new Map()};
    for (const node of scope.node) {
      if (quantizableAt(node, index)?.obstacle !== null) continue;
      const rewritten = quantizableAt(node, alone)?.rewrite(weights)?.get(node);
      if (!rewritten) continue;
      const condition = weights.uniqueName(`${input}_at`);
      const at = weights.add(`${condition}_index`, [], BigInt64Array.of(BigInt(labels.length)));
      labels.push(labelOf(node));
      gathering.push({
        op_type: 'Gather',
        input: [input, at],
        output: [condition],
        attribute: [integerAttribute('axis', 0)],
      });
      const outputs = node.output.filter((name) => name !== '');
      const branch = (nodes: readonly NodeProto[], form: string): GraphProto => {
        const names = new Map(outputs.map((name) => [name, weights.uniqueName(`${name}_${form}`)]));
        return branchOf(nodes, names);
      };
      const choosing: NodeProto = {
        op_type: 'If',
        input: [condition],
        output: outputs,
        attribute: [
          graphAttribute('then_branch', branch(rewritten, 'quantized')),
          graphAttribute('else_branch', branch([node], 'as_it_was')),
        ],
      };
      replaced.set(node, [choosing]);
    }
  }
  if (labels.length === 0) return {failure: 'it has no node that can be quantized'};
  const shape = {dim: [{dim_value: labels.length}]};
  const choosing = replaceNodes(graph, replaced);
  const switched = {
    ...choosing,
    node: [...gathering, ...choosing.node],
    input: [...choosing.input, {name: input, type: {tensor_type: {elem_type: DATA_TYPE.BOOL, shape}}}],
  };
  return {
    failure: null,
    model: assemble(model, withWeights(switched, weights)),
    session: {},
    select: (row, quantized) => ({
      ...row,
      [input]: {shape: [labels.length], data: labels.map((label) => quantized.has(label))},
    }),
  };
}

/** A branch that makes its outputs under names of its own, and reads everything else from around it. */
function branchOf(nodes: readonly NodeProto[], names: ReadonlyMap<string, string>): GraphProto {
  const newName = (name: string): string => names.get(name) ?? name;
  return {
    node: nodes.map((node) => ({
      ...node,
      input: node.input.map(newName),
      output: node.output.map(newName),
    })),
    name: 'branch',
    initializer: [],
    input: [],
    output: [...names.values()].map((name) => ({name, type: {tensor_type: {elem_type: DATA_TYPE.FLOAT}}})),
    value_info: [],
    sparse_initializer: [],
  };
}

const graphAttribute = (name: string, g: GraphProto): AttributeProto => ({
  name,
  g,
  type: 5,
  floats: [],
  ints: [],
  strings: [],
  tensors: [],
  graphs: [],
});
