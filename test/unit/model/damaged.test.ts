import * as fc from 'fast-check';
import {expect, test} from 'vitest';
import {ThawError} from '../../../src/core/errors.ts';
import {decodeModel} from '../../../src/model/onnx.ts';
import type {ModelProto} from '../../../src/model/onnx.ts';
import {WireError} from '../../../src/model/codec.ts';
import {quantizeInt4, quantizeInt8Blocks} from '../../../src/model/quantize/blocks.ts';
import {quantizeDynamic} from '../../../src/model/quantize/dynamic.ts';
import {quantizeFp16} from '../../../src/model/quantize/fp16.ts';
import {liftOpset} from '../../../src/model/quantize/opset.ts';
import {quantizeWeights} from '../../../src/model/quantize/weights.ts';
import {makeTensor} from '../../../src/model/tensor.ts';
import {
  bytesOf,
  graph,
  graphAttribute,
  intAttribute,
  model,
  node,
  numbers,
  tensorAttribute,
  value,
} from './build-model.ts';

const MODES = [quantizeWeights, quantizeFp16, quantizeInt4, quantizeInt8Blocks, quantizeDynamic];

/** A bit of everything that the modes look at. */
function everything(): ModelProto {
  const weight = (name: string, ...dims: number[]) =>
    makeTensor(name, dims, numbers(dims.reduce((product, size) => product * size, 1)));
  const branch = graph({
    node: [
      node('Constant', [], ['k'], [tensorAttribute('value', weight('', 32, 40))]),
      node('MatMul', ['x', 'k'], ['inner']),
    ],
    output: [value('inner', ['n', 40])],
  });
  return model(
    {
      node: [
        node('MatMul', ['x', 'w'], ['a']),
        node('Gemm', ['x', 'g', 'b'], ['c'], [intAttribute('transB', 1)]),
        node('Gather', ['table', 'ids'], ['d'], [intAttribute('axis', 0)]),
        node('Conv', ['x', 'filter'], ['e']),
        node('LSTM', ['x', 'W', 'R'], ['f'], [intAttribute('hidden_size', 8)]),
        node('Transpose', ['w'], ['t']),
        node('MatMul', ['x', 't'], ['h']),
        node('If', ['cond'], ['y'], [graphAttribute('then_branch', branch)]),
      ],
      initializer: [
        weight('w', 32, 40),
        weight('g', 40, 32),
        weight('b', 40),
        weight('table', 40, 32),
        weight('filter', 8, 16, 3, 3),
        weight('W', 1, 32, 40),
        weight('R', 1, 32, 8),
      ],
      input: [value('x', ['n', 32])],
      output: [value('y', ['n', 40])],
    },
    {opset_import: [{domain: '', version: 9}]},
  );
}

const nowhere = (): never => {
  throw new ThawError('MODEL_INVALID', 'there is no other file', {});
};

function attemptAll(proto: ModelProto): void {
  for (const mode of MODES) {
    try {
      mode({model: proto, readExternal: nowhere, cpu: 'any', keepFloat: new Set()});
    } catch (error) {
      if (!(error instanceof ThawError)) throw error;
    }
  }
  liftOpset(proto);
}

test('every mode is for the model that is damaged below', () => {
  for (const mode of MODES) {
    const result = mode({model: everything(), readExternal: nowhere, cpu: 'any', keepFloat: new Set()});
    expect(result.failure).toBeNull();
  }
});

test('a damaged model is quantized, or refused with a reason or a ThawError, never with another', () => {
  const whole = bytesOf(everything());
  // The bytes of the weights matter least: the nodes come first, and names, shapes and types stand between weights.
  const skeleton = [...whole.keys()].filter((at) => at < 900 || at > whole.length - 200);
  const names = ['w', 'g', 'b', 'table', 'filter', 'W', 'R'];
  for (const name of names) {
    const found = Buffer.from(whole).lastIndexOf(Buffer.from([0x42, name.length, ...Buffer.from(name)]));
    for (let at = found - 16; at < found + 8; at++) skeleton.push(at);
  }
  const flips = fc.array(fc.tuple(fc.constantFrom(...skeleton), fc.nat(7)), {minLength: 1, maxLength: 4});
  let decoded = 0;
  fc.assert(
    fc.property(flips, (bits) => {
      const damaged = whole.slice();
      for (const [at, bit] of bits) damaged[at]! ^= 1 << bit;
      let proto: ModelProto;
      try {
        proto = decodeModel(damaged);
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        return;
      }
      decoded++;
      attemptAll(proto);
    }),
    {numRuns: 600},
  );
  expect(decoded).toBeGreaterThan(100);
});

test.each([
  ['an axis that is not there', 'Gather', 'axis', 5],
  ['an axis from before the beginning', 'Gather', 'axis', -5],
])('%s is not taken for one', (_, operator, name, i) => {
  const whole = everything();
  const odd = whole.graph!.node.map((one) =>
    one.op_type === operator ? {...one, attribute: [intAttribute(name, i)]} : one,
  );
  const result = quantizeWeights({
    model: {...whole, graph: {...whole.graph!, node: odd}},
    readExternal: nowhere,
    cpu: 'any',
    keepFloat: new Set(),
  });
  expect(result.failure === null && result.quantizedNodes).not.toContain('Gather_d');
});
