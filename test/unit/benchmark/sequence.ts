/** A sample that test/fixtures/statistics.py makes too, without a generator: ((i · step) mod modulus) / scale + shift. */
export function sequence(n: number, step: number, modulus: number, scale: number, shift = 0): number[] {
  return Array.from({length: n}, (_, i) => (((i + 1) * step) % modulus) / scale + shift);
}
