// Measures a model in a fresh process, with the very code that serves it: one JSON request on stdin, one JSON
// document on stdout.
import {readFileSync, writeSync} from 'node:fs';
import {loadBinding} from './binding.ts';
import {messageOf, RequestFailure, StartFailure} from './failures.ts';
import {openSession, type Session} from './session.ts';
import {jsonElements} from './tensor-json.ts';
import {elementOf, sizeOfShape, type TensorInfo} from './tensor-types.ts';

interface ProbeRequest {
  readonly model: string;
  readonly onnxruntime: string;
  readonly session?: object;
  readonly rows?: readonly {readonly [input: string]: unknown}[];
  readonly warmCalls?: number;
  readonly wantOutputs?: boolean;
}

try {
  print(measure(JSON.parse(readFileSync(0, 'utf8')) as ProbeRequest));
} catch (error) {
  const isKnown = error instanceof StartFailure || error instanceof RequestFailure;
  print({ok: false, code: isKnown ? error.code : null, message: messageOf(error)});
}

function measure(request: ProbeRequest): object {
  const binding = loadBinding(request.onnxruntime);
  const started = performance.now();
  const session = openSession(binding, request.model, request.session ?? {});
  const loaded = performance.now();

  const rows = request.rows?.length ? request.rows : [zeros(session.inputs)];
  const first = rows[0] ?? {};
  const firstMs = timed(() => session.run(first));
  const warm = Array.from({length: request.warmCalls ?? 20}, (_, call) => {
    const row = rows[call % rows.length] ?? first;
    return timed(() => session.run(row));
  });
  const rssMb = process.memoryUsage.rss() / 2 ** 20;
  return {
    ok: true,
    loadMs: loaded - started,
    firstMs,
    warmMs: median(warm),
    rssMb,
    inputs: session.inputs,
    outputs: session.outputs,
    rows: request.wantOutputs === true ? rows.map((row) => outputsOf(session, row)) : [],
  };
}

function outputsOf(session: Session, row: {readonly [input: string]: unknown}): object {
  const outputs = Object.entries(session.run(row));
  return Object.fromEntries(
    outputs.map(([name, tensor]) => [
      name,
      {type: tensor.type, shape: tensor.shape, data: jsonElements(tensor)},
    ]),
  );
}

/** One feed of zeros; a dimension that may vary is 1. */
function zeros(inputs: readonly TensorInfo[]): {[name: string]: unknown} {
  return Object.fromEntries(
    inputs.map(({name, type, shape}) => {
      const sizes = shape.map((size) => (typeof size === 'number' ? size : 1));
      return [name, {shape: sizes, data: elementOf(type).make(sizeOfShape(sizes))}];
    }),
  );
}

function timed(call: () => unknown): number {
  const started = performance.now();
  call();
  return performance.now() - started;
}

function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)];
  const lower = sorted[Math.ceil(middle) - 1];
  return upper === undefined || lower === undefined ? null : (lower + upper) / 2;
}

function print(document: object): void {
  const bytes = Buffer.from(`${JSON.stringify(document)}\n`);
  for (let at = 0; at < bytes.length;) at += writeSync(1, bytes, at);
}
