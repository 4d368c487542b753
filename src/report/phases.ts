/** How a request's phases follow one another, as its client sees them. */
const ORDER = ['connect', 'residual', 'boot', 'import', 'load', 'wait', 'infer', 'response'];

/** Phases with their medians, in the order in which they pass; those that nobody here knows come last. */
export function phasesInOrder(phases: {
  readonly [phase: string]: number;
}): readonly (readonly [name: string, ms: number])[] {
  const rank = (name: string): number => {
    const index = ORDER.indexOf(name);
    return index < 0 ? ORDER.length : index;
  };
  return Object.entries(phases).sort(([a], [b]) => rank(a) - rank(b));
}
