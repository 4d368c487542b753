import {ThawError} from '../../core/errors.ts';

/** Element types that an input can be declared with. */
export const INPUT_TYPES = [
  'FP32',
  'FP64',
  'FP16',
  'INT64',
  'INT32',
  'INT16',
  'INT8',
  'UINT8',
  'BOOL',
  'BYTES',
] as const;

/** An input as the user declares it. */
export interface InputShape {
  readonly name: string;
  readonly type: (typeof INPUT_TYPES)[number];
  /** One entry a dimension: its size, or the symbol of one that varies. */
  readonly shape: readonly (number | string)[];
  /** The sizes as they were written; null where a symbol was. */
  readonly given: readonly (number | null)[];
}

const SYMBOL = /^[A-Za-z_]\w*$/;
const BATCH = 'batch';

/**
 * Reads an input as `image=1,3,224,224:FP32` or `tokens=batch,length:INT64`. A first dimension of a plain size is
 * taken for the batch, which varies if the model lets it.
 *
 * @throws ThawError USAGE
 */
export function parseInputShape(text: string): InputShape {
  const refuse = (what: string): ThawError =>
    new ThawError('USAGE', `--input-shape ${text}: ${what}`, {flag: '--input-shape', value: text});
  const match = /^(?<name>[^=]+)=(?<shape>[^:]*)(?::(?<type>\w+))?$/.exec(text);
  const {name, shape, type = 'FP32'} = match?.groups ?? {};
  if (name === undefined || shape === undefined) throw refuse('write it as name=1,3,224,224:FP32');
  const known = INPUT_TYPES.find((each) => each === type.toUpperCase());
  if (known === undefined) throw refuse(`${type} is none of ${INPUT_TYPES.join(', ')}`);
  const entries = shape === '' ? [] : shape.split(',').map((entry) => entry.trim());
  const wrong = entries.find((entry) => !/^[1-9]\d*$/.test(entry) && !SYMBOL.test(entry));
  if (wrong !== undefined) throw refuse(`"${wrong}" is neither a size nor a name for one`);
  const given = entries.map((entry) => (SYMBOL.test(entry) ? null : Number(entry)));
  const dims = given.map((size, at) => size ?? entries[at]!);
  const varying = dims.length > 1 && given.every((size) => size !== null) ? [BATCH, ...dims.slice(1)] : dims;
  return {name: name.trim(), type: known, shape: varying, given};
}
