/** Gives the next number of a fixed sequence, evenly spread over [0, 1). */
export type Random = () => number;

/**
 * Makes a seeded generator: one seed, one sequence, on every machine, so that what was computed with it can be
 * computed again.
 *
 * @param seed its 32 low bits count
 */
export function createRandom(seed: number): Random {
  const state = seedState(seed);
  return () => nextUint32(state) / 2 ** 32;
}

/** Steps Blackman and Vigna's xoshiro128** and returns its 32 bits. The state is four words, not all zero. */
export function nextUint32(state: Uint32Array): number {
  const word0 = state[0] ?? 0;
  const word1 = state[1] ?? 0;
  const word2 = state[2] ?? 0;
  const word3 = state[3] ?? 0;
  state[0] = word0 ^ word3 ^ word1;
  state[1] = word1 ^ word2 ^ word0;
  state[2] = word2 ^ word0 ^ (word1 << 9);
  state[3] = rotateLeft(word3 ^ word1, 11);
  return Math.imul(rotateLeft(Math.imul(word1, 5), 7), 9) >>> 0;
}

/** Spreads a seed over the state, so that neighbouring seeds give sequences that have nothing in common. */
function seedState(seed: number): Uint32Array {
  let word = seed >>> 0;
  return Uint32Array.from({length: 4}, () => {
    word = (word + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return mixed ^ (mixed >>> 16);
  });
}

const rotateLeft = (word: number, by: number): number => (word << by) | (word >>> (32 - by));
