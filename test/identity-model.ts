/** One field of a protobuf message: a number, or bytes, text or fields inside. */
type Field = [number: number, value: number | string | Field[]];

function message(fields: Field[]): Buffer {
  return Buffer.concat(
    fields.map(([number, value]) => {
      if (typeof value === 'number') return Buffer.from([number << 3, value]);
      const content = typeof value === 'string' ? Buffer.from(value) : message(value);
      return Buffer.concat([Buffer.from([(number << 3) | 2, content.length]), content]);
    }),
  );
}

/** A model whose output y is its input x: [n, 2] of an element type. */
export function identityModel(elementType: number): Buffer {
  const value = (name: string): Field[] => {
    const shape: Field[] = [
      [1, [[2, 'n']]],
      [1, [[1, 2]]],
    ];
    return [
      [1, name],
      [
        2,
        [
          [
            1,
            [
              [1, elementType],
              [2, shape],
            ],
          ],
        ],
      ],
    ];
  };
  const node: Field[] = [
    [1, 'x'],
    [2, 'y'],
    [4, 'Identity'],
  ];
  const graph: Field[] = [
    [1, node],
    [2, 'identity'],
    [11, value('x')],
    [12, value('y')],
  ];
  return message([
    [1, 8],
    [7, graph],
    [8, [[2, 17]]],
  ]);
}
