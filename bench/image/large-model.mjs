// A project whose model is one table of weights in a file of its own.
import {closeSync, mkdirSync, openSync, writeFileSync, writeSync} from 'node:fs';
import {join} from 'node:path';

const WIDTH = 1024;

/** Protocol buffers, as far as a model of one node needs them. */
const varint = (value) => (value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))]);
const number = (field, value) => [...varint(field * 8), ...varint(value)];
const bytes = (field, content) => [...varint(field * 8 + 2), ...varint(content.length), ...content];
const text = (field, value) => bytes(field, [...Buffer.from(value)]);

const valueInfo = (name, type, dims) => {
  const shape = dims.flatMap((dim) => bytes(1, typeof dim === 'number' ? number(1, dim) : text(2, dim)));
  const tensor = [...number(1, type), ...bytes(2, shape)];
  return [...text(1, name), ...bytes(2, bytes(1, tensor))];
};

/** Writes a project with a model of so many bytes, which look like noise: weights do. */
export function writeLargeProject(dir, tableBytes) {
  mkdirSync(dir);
  const rows = tableBytes / (4 * WIDTH);
  const table = [
    ...[rows, WIDTH].flatMap((dim) => number(1, dim)),
    ...number(2, 1),
    ...text(8, 'table'),
    ...bytes(13, [...text(1, 'location'), ...text(2, 'table.bin')]),
    ...number(14, 1),
  ];
  const gather = [...text(1, 'table'), ...text(1, 'ids'), ...text(2, 'rows'), ...text(4, 'Gather')];
  const graph = [
    ...bytes(1, gather),
    ...text(2, 'lookup'),
    ...bytes(5, table),
    ...bytes(11, valueInfo('ids', 7, ['n'])),
    ...bytes(12, valueInfo('rows', 1, ['n', WIDTH])),
  ];
  const model = [...number(1, 8), ...bytes(7, graph), ...bytes(8, number(2, 17))];
  writeFileSync(join(dir, 'model.onnx'), Uint8Array.from(model));
  writeFileSync(
    join(dir, 'thaw.yaml'),
    'name: large\nmodel: {path: model.onnx, quantize: none}\nproviders: {local: {}}\n',
  );
  writeTable(join(dir, 'table.bin'), tableBytes);
}

function writeTable(file, tableBytes) {
  const piece = new Float32Array(1 << 22);
  let state = 1;
  for (let at = 0; at < piece.length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    piece[at] = (state / 2 ** 32 - 0.5) / 10;
  }
  const content = new Uint8Array(piece.buffer);
  const out = openSync(file, 'w');
  for (let left = tableBytes; left > 0; left -= content.length) {
    writeSync(out, content, 0, Math.min(left, content.length));
  }
  closeSync(out);
}
