import {ThawError} from '../core/errors.ts';
import type {Accept} from '../core/model.ts';
import {DEFAULT_ACCEPT} from '../core/model.ts';

const SIGNS: {readonly [M in keyof Accept]: '>=' | '<='} = {cosine: '>=', nsr: '<=', top1Drop: '<='};

const isMeasure = (name: string): name is keyof Accept => name in SIGNS;

/**
 * Reads bounds such as `cosine>=0.998`; what none of them names keeps its default.
 *
 * @throws ThawError USAGE
 */
export function parseAccept(bounds: readonly string[]): Accept {
  const accept: {-readonly [M in keyof Accept]: number} = {...DEFAULT_ACCEPT};
  for (const bound of bounds) {
    const [, name = '', sign = '', figure = ''] = /^\s*(\w+)\s*([<>]=)\s*(\S+)\s*$/.exec(bound) ?? [];
    const value = Number(figure);
    if (!isMeasure(name) || sign !== SIGNS[name] || figure === '' || !Number.isFinite(value) || value < 0) {
      throw new ThawError(
        'USAGE',
        `--accept ${bound} is none of cosine>=NUMBER, nsr<=NUMBER and top1Drop<=NUMBER`,
        {flag: '--accept', value: bound},
      );
    }
    accept[name] = value;
  }
  return accept;
}
