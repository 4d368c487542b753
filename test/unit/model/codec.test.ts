import {readFile} from 'node:fs/promises';
import * as fc from 'fast-check';
import {expect, test} from 'vitest';
import {concat, decode, decodeIntegers, defineSchema, encode, WireError} from '../../../src/model/codec.ts';
import type {Int64, Message, NumberRun, Schema} from '../../../src/model/codec.ts';
import {decodeModel, encodeModel} from '../../../src/model/onnx.ts';
import {fixture} from '../../instance.ts';

interface Tree extends Message {
  id?: Int64;
  weight?: number;
  name?: string;
  blob?: Uint8Array;
  sizes: readonly Int64[];
  runs: readonly NumberRun[];
  child?: Tree;
  children: readonly Tree[];
}

const TREE: Schema<Tree> = defineSchema<Tree>({
  id: [1, 'int', 'one'],
  weight: [2, 'float', 'one'],
  name: [3, 'string', 'one'],
  blob: [5, 'bytes', 'one'],
  sizes: [6, 'int', 'many'],
  runs: [7, 'runs', 'many'],
  child: [8, () => TREE, 'one'],
  children: [9, () => TREE, 'many'],
});

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const roundTrip = (input: Uint8Array): Uint8Array => concat(encode(TREE, decode(TREE, input)));

test.each(['linear.onnx', 'mlp.onnx'])('%s comes back byte for byte', async (file) => {
  const original = await readFile(fixture(file));
  expect(Buffer.compare(concat(encodeModel(decodeModel(original))), original)).toBe(0);
});

test('the wire form of a message is the one worked out by hand', () => {
  const message = decode(TREE, bytes(0x08, 0x96, 0x01, 0x1a, 0x02, 0x68, 0x69, 0x42, 0x02, 0x08, 0x05));
  expect(message).toEqual({
    id: 150,
    name: 'hi',
    child: {id: 5, sizes: [], runs: [], children: []},
    sizes: [],
    runs: [],
    children: [],
  });
  expect([...concat(encode(TREE, {id: 150, sizes: [1, 300], runs: [], children: []}))]).toEqual([
    0x08, 0x96, 0x01, 0x30, 0x01, 0x30, 0xac, 0x02,
  ]);
});

test('fields that the schema does not know stay, where their numbers put them', () => {
  // 4: varint, 10: fixed64, 11: fixed32, 12: bytes; among them the known 3.
  const input = bytes(
    0x1a,
    0x01,
    0x61,
    0x20,
    0x07,
    0x51,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    0x5d,
    9,
    9,
    9,
    9,
    0x62,
    0x01,
    0xff,
    0x62,
    0x00,
  );
  expect(decode(TREE, input).unknown?.map(({number}) => number)).toEqual([4, 10, 11, 12, 12]);
  expect(roundTrip(input)).toEqual(input);
});

test('unknown fields that lie out of order are put in order, those of one number in theirs', () => {
  const input = bytes(0x62, 0x01, 0x01, 0x20, 0x07, 0x62, 0x01, 0x02, 0x1a, 0x01, 0x61);
  expect([...roundTrip(input)]).toEqual([0x1a, 0x01, 0x61, 0x20, 0x07, 0x62, 0x01, 0x01, 0x62, 0x01, 0x02]);
});

test('a known field of another wire type is kept as it is, not read', () => {
  const input = bytes(0x18, 0x05);
  expect(decode(TREE, input).name).toBeUndefined();
  expect(roundTrip(input)).toEqual(input);
  const beside = concat([bytes(0x1a, 0x01, 0x61), input]);
  expect(roundTrip(beside)).toEqual(beside);
});

test('repeated numbers are read packed and unpacked', () => {
  expect(decode(TREE, bytes(0x32, 0x03, 0x01, 0xac, 0x02, 0x30, 0x04)).sizes).toEqual([1, 300, 4]);
  expect(decodeIntegers(decode(TREE, bytes(0x38, 0x05, 0x3a, 0x02, 0x06, 0x07)).runs)).toEqual([5, 6, 7]);
});

test('integers keep all 64 bits', () => {
  const values = [0, 127, 128, 2 ** 31, 2 ** 49, Number.MAX_SAFE_INTEGER, -1, 2n ** 63n - 1n, -(2n ** 63n)];
  const message = {sizes: values, runs: [], children: []};
  expect(decode(TREE, concat(encode(TREE, message))).sizes).toEqual(values);
});

test('a single message that occurs twice is merged', () => {
  const {child} = decode(TREE, bytes(0x42, 0x02, 0x08, 0x05, 0x42, 0x03, 0x1a, 0x01, 0x61));
  expect(child).toMatchObject({id: 5, name: 'a'});
});

test('byte strings are neither copied when read nor when written', () => {
  const input = concat([bytes(0x2a, 0x88, 0x27), new Uint8Array(5000)]);
  const message = decode(TREE, input);
  expect(message.blob?.buffer).toBe(input.buffer);
  expect(encode(TREE, message)).toContain(message.blob);
});

test('a name that is not UTF-8 is refused rather than changed', () => {
  expect(() => decode(TREE, bytes(0x1a, 0x01, 0xff))).toThrow('UTF-8');
  expect(roundTrip(bytes(0x1a, 0x03, 0xef, 0xbb, 0xbf))).toEqual(bytes(0x1a, 0x03, 0xef, 0xbb, 0xbf));
});

test('messages nested without end are refused', () => {
  const nested = (depth: number): Uint8Array => {
    let message: Tree = {sizes: [], runs: [], children: []};
    for (let level = 0; level < depth; level++) message = {child: message, sizes: [], runs: [], children: []};
    return concat(encode(TREE, message));
  };
  expect(roundTrip(nested(100))).toEqual(nested(100));
  expect(() => decode(TREE, nested(101))).toThrow('nested deeper');
});

test('whatever is written is read back the same', () => {
  const int = fc.oneof(
    fc.maxSafeInteger(),
    fc
      .bigInt({min: -(2n ** 63n), max: 2n ** 63n - 1n})
      .map((wide) => (Number.isSafeInteger(Number(wide)) ? Number(wide) : wide)),
  );
  const leaf = fc.record(
    {
      id: int,
      weight: fc.float({noNaN: true}),
      name: fc.string({unit: 'grapheme'}),
      blob: fc.uint8Array({maxLength: 9000}),
      sizes: fc.array(int),
      runs: fc.constant([]),
      children: fc.constant([]),
    },
    {requiredKeys: ['sizes', 'runs', 'children']},
  );
  const tree = fc
    .tuple(leaf, leaf, fc.array(leaf))
    .map(([root, child, children]) => ({...root, child, children}));
  fc.assert(
    fc.property(tree, (message) => {
      expect(decode(TREE, concat(encode(TREE, message)))).toEqual(message);
    }),
    {numRuns: 200},
  );
});

test('bytes at random are a message or a WireError', () => {
  fc.assert(
    fc.property(fc.uint8Array({maxLength: 300}), (input) => {
      try {
        concat(encode(TREE, decode(TREE, input)));
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }),
    {numRuns: 2000},
  );
});
