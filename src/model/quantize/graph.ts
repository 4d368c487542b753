import {nodesWithin, operatorOf, subgraphsOf} from '../onnx.ts';
import type {AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto} from '../onnx.ts';

/** What a rewriter asks about the values of a graph. */
export interface GraphIndex {
  /**
   * Values known before the model runs: weights that no caller can replace, and Constant nodes; of the graphs
   * around it too.
   */
  readonly constants: ReadonlyMap<string, TensorProto>;
  /** The graph's own nodes that read a value; twice if they read it twice. */
  readonly readers: ReadonlyMap<string, readonly NodeProto[]>;
  /** Values that something else reads too: a subgraph, or the caller. */
  readonly readElsewhere: ReadonlySet<string>;
}

/** Up to this version of the format every weight had to be listed among the inputs, without being one. */
const WEIGHTS_ARE_INPUTS_IR = 3;

/** Whether a caller may replace a weight: it is listed among the inputs, in a format where that means so. */
export function weightsAreInputs(model: ModelProto): boolean {
  return Number(model.ir_version ?? 0) <= WEIGHTS_ARE_INPUTS_IR;
}

/**
 * Indexes a graph of a model.
 *
 * @param outer index of the graph around it: none for the main graph
 */
export function indexGraph(model: ModelProto, graph: GraphProto, outer?: GraphIndex): GraphIndex {
  const replaceable = new Set(weightsAreInputs(model) ? [] : graph.input.map(({name}) => name));
  const constants = new Map<string, TensorProto>(outer?.constants);
  // A name that the graph gives to something of its own hides the one outside.
  for (const {name} of graph.input) constants.delete(name ?? '');
  for (const {output} of graph.node) for (const name of output) constants.delete(name);
  for (const tensor of graph.initializer) {
    if (!replaceable.has(tensor.name)) constants.set(tensor.name ?? '', tensor);
  }
  const readers = new Map<string, NodeProto[]>();
  const readElsewhere = new Set(graph.output.map(({name}) => name ?? ''));
  for (const node of graph.node) {
    const value = constantValue(node);
    if (value) constants.set(node.output[0] ?? '', value);
    for (const name of node.input) readers.set(name, [...(readers.get(name) ?? []), node]);
    for (const subgraph of subgraphsOf(node)) {
      for (const inner of nodesWithin(subgraph.node)) {
        for (const name of inner.input) readElsewhere.add(name);
      }
      for (const {name} of subgraph.output) readElsewhere.add(name ?? '');
    }
  }
  return {constants, readers, readElsewhere};
}

function constantValue(node: NodeProto): TensorProto | undefined {
  return operatorOf(node) === 'Constant' ? attributeOf(node, 'value')?.t : undefined;
}

/** A node's attribute by name. */
export function attributeOf(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((attribute) => attribute.name === name);
}

/** Makes an attribute that is an integer. */
export function integerAttribute(name: string, i: number): AttributeProto {
  return {name, i, type: 2, floats: [], ints: [], strings: [], tensors: [], graphs: []};
}

/** What to call a node in a message: its name, or what it makes. */
export function labelOf(node: NodeProto): string {
  return node.name || (node.output[0] ?? '');
}

/** Makes a function that gives each wish a name that no value of the model bears yet. */
export function createUniqueName(graph: GraphProto): (wish: string) => string {
  const taken = new Set<string>();
  const take = (scope: GraphProto): void => {
    for (const {name} of [...scope.input, ...scope.initializer]) taken.add(name ?? '');
    for (const {input, output} of scope.node) for (const name of [...input, ...output]) taken.add(name);
    for (const node of scope.node) for (const inner of subgraphsOf(node)) take(inner);
  };
  take(graph);
  return (wish) => {
    let name = wish;
    for (let count = 2; taken.has(name); count++) name = `${wish}_${count}`;
    taken.add(name);
    return name;
  };
}

/** A graph of a model, the main one or one inside it, with its index. */
export interface Scope {
  readonly graph: GraphProto;
  readonly index: GraphIndex;
}

/** The main graph and all graphs inside it, outer ones first. */
export function* scopesOf(model: ModelProto): Generator<Scope> {
  if (model.graph) yield* scopesWithin(model, model.graph);
}

function* scopesWithin(model: ModelProto, graph: GraphProto, outer?: GraphIndex): Generator<Scope> {
  const index = indexGraph(model, graph, outer);
  yield {graph, index};
  for (const node of graph.node) {
    for (const inner of subgraphsOf(node)) yield* scopesWithin(model, inner, index);
  }
}

/** The operators that read each value, in some nodes and in the graphs inside them. */
export function usersIn(nodes: readonly NodeProto[]): ReadonlyMap<string, readonly string[]> {
  const users = new Map<string, string[]>();
  for (const node of nodesWithin(nodes)) {
    for (const name of node.input) {
      const known = users.get(name);
      if (known) known.push(operatorOf(node));
      else users.set(name, [operatorOf(node)]);
    }
  }
  return users;
}

/** The graph, and those inside it, with other nodes in the place of some. */
export function replaceNodes(
  graph: GraphProto,
  replaced: ReadonlyMap<NodeProto, readonly NodeProto[]>,
): GraphProto {
  const node = graph.node.flatMap(
    (old) => replaced.get(old) ?? [mapSubgraphs(old, (inner) => replaceNodes(inner, replaced))],
  );
  return {...graph, node};
}

/** A node with other graphs in the place of those inside it. */
export function mapSubgraphs(node: NodeProto, map: (graph: GraphProto) => GraphProto): NodeProto {
  if (subgraphsOf(node).length === 0) return node;
  const attribute = node.attribute.map((old) => ({
    ...old,
    ...(old.g ? {g: map(old.g)} : {}),
    graphs: old.graphs.map(map),
  }));
  return {...node, attribute};
}

/**
 * The graph without those of the named constants that nothing reads any more, wherever they stand, and without the
 * type annotations of values that no longer exist.
 */
export function pruneConstants(graph: GraphProto, names: ReadonlySet<string>): GraphProto {
  const read = new Set(graph.output.map(({name}) => name));
  for (const node of nodesWithin(graph.node)) {
    for (const name of node.input) read.add(name);
    for (const subgraph of subgraphsOf(node)) for (const {name} of subgraph.output) read.add(name);
  }
  return withoutConstants(graph, new Set([...names].filter((name) => !read.has(name))));
}

function withoutConstants(graph: GraphProto, unread: ReadonlySet<string>): GraphProto {
  const node = graph.node
    .filter(({output}) => !unread.has(output[0] ?? ''))
    .map((kept) => mapSubgraphs(kept, (inner) => withoutConstants(inner, unread)));
  const made = new Set([...graph.input.map(({name}) => name), ...node.flatMap(({output}) => output)]);
  return {
    ...graph,
    node,
    initializer: graph.initializer.filter(({name}) => !unread.has(name ?? '')),
    value_info: graph.value_info.filter(({name}) => made.has(name ?? '')),
  };
}
