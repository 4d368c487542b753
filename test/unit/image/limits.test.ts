import {describe, expect, test} from 'vitest';
import {digestOf} from '../../../src/core/digest.ts';
import {ThawError} from '../../../src/core/errors.ts';
import type {Image, Layer} from '../../../src/core/image.ts';
import {refuseBeyondLimits} from '../../../src/image/limits.ts';

const layer = (role: Layer['role'], bytes: number, unpackedBytes: number): Layer => ({
  role,
  mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
  digest: digestOf(role),
  bytes,
  diffId: digestOf(`${role} unpacked`),
  unpackedBytes,
});

const image: Image = {
  schema: 'thaw.image/1',
  function: 'credit-scoring',
  platform: 'linux/amd64',
  base: {kind: 'host', glibc: '2.36'},
  runtime: {kind: 'node'},
  digest: digestOf('manifest'),
  model: digestOf('model'),
  sources: [],
  recipe: digestOf('recipe'),
  layers: [
    layer('base', 2_000_000, 6_000_000),
    layer('runtime', 55_000_000, 145_000_000),
    layer('model', 90_000_000, 100_000_000),
    layer('handler', 60_000_000, 300_000_000),
    layer('config', 400, 3000),
  ],
};
const compressed = 207_000_400;
const unpacked = 551_003_000;
const packages = [
  {name: 'left', version: '1.0.0', bytes: 1000},
  {name: 'tokens', version: '2.1.0', bytes: 250_000_000},
  {name: 'maths', version: '3.0.0', bytes: 40_000_000},
  {name: 'dates', version: null, bytes: 2000},
];

const limits = (compressedMax: number | null, unpackedMax: number | null) => ({
  imageBytes: {compressed: compressedMax, unpacked: unpackedMax},
  platforms: ['linux/amd64'] as const,
});

function refusal(...[wanted]: [Parameters<typeof refuseBeyondLimits>[1]]): ThawError {
  try {
    refuseBeyondLimits(image, wanted, 'somewhere', packages);
  } catch (error) {
    if (error instanceof ThawError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('an image', () => {
  test('passes where there is no limit, and where it is exactly as large as the limit', () => {
    refuseBeyondLimits(image, limits(null, null), 'somewhere', packages);
    refuseBeyondLimits(image, limits(compressed, unpacked), 'somewhere', packages);
  });

  test('that is a byte too large compressed is refused, with its largest layers', () => {
    const error = refusal(limits(compressed - 1, null));
    expect(error.code).toBe('IMAGE_TOO_LARGE');
    expect(error.message).toBe(
      'the image has 207 MB compressed, and somewhere takes 207 MB: ' +
        'model 90.0 MB, handler 60.0 MB (of it tokens 250 MB, maths 40.0 MB, dates 2.0 kB), runtime 55.0 MB',
    );
    expect(error.facts).toMatchObject({
      provider: 'somewhere',
      measure: 'compressed',
      bytes: compressed,
      bytesMax: compressed - 1,
      largest: 'model',
    });
  });

  test('that is too large unpacked is refused by what is large then', () => {
    const error = refusal(limits(compressed, 250_000_000));
    expect(error.facts).toMatchObject({
      measure: 'unpacked',
      bytes: unpacked,
      bytesMax: 250_000_000,
      largest: 'handler',
      layers: [
        {role: 'handler', bytes: 300_000_000},
        {role: 'runtime', bytes: 145_000_000},
        {role: 'model', bytes: 100_000_000},
      ],
      packages: [{name: 'tokens'}, {name: 'maths'}, {name: 'dates'}],
    });
    expect(error.message).toContain('551 MB unpacked, and somewhere takes 250 MB');
  });

  test('of another platform is refused', () => {
    const error = refusal({...limits(null, null), platforms: ['linux/arm64']});
    expect(error.code).toBe('PLATFORM_UNSUPPORTED');
    expect(error.message).toBe('somewhere runs linux/arm64, and the image is for linux/amd64');
  });
});
