import type {CandidateTimes, Objective, Shape, Shaping} from '../core/model.ts';
import {formatMs} from '../core/units.ts';
import {costOf, WORTHWHILE_SHARE} from './decide.ts';

/** What is known of a form before its shapes are measured. */
export interface ShapeFacts {
  /** Whether its weights lie outside of the model file as it is. */
  readonly isMapped: boolean;
  /** Whether it has products that are many times slower without prepacking. */
  readonly needsPrepacking: boolean;
  /** Whether it unfolds its weights when it is loaded, so that saved after that it would be large again. */
  readonly unfolds: boolean;
  readonly objective: Objective;
}

/** The shapes to measure, the simplest first: that in which the form is already. */
export function planShapes({isMapped, needsPrepacking, unfolds, objective}: ShapeFacts): Shape[] {
  const mapped: Shape = {weights: 'mapped', prepacking: true, threads: null};
  const ahead: Shape = {...mapped, weights: 'ahead'};
  const loose = (shape: Shape): Shape[] => (needsPrepacking ? [] : [{...shape, prepacking: false}]);
  return [
    ...(isMapped ? [] : [{...mapped, weights: 'inside'} as const]),
    mapped,
    ...loose(mapped),
    ...(unfolds || objective === 'size' ? [] : [ahead, ...loose(ahead)]),
  ];
}

/**
 * Chooses among shapes, the simplest first: of those within 10 % of the best by the objective, the one that starts
 * fastest cold, and of those within 10 % of that the simplest. By `size` it is as by `balanced`: all have the same
 * bytes.
 *
 * @returns its place; 0 if none could be measured
 */
export function chooseShape(shapings: readonly Shaping[], objective: Objective): number {
  const by = objective === 'size' ? 'balanced' : objective;
  const measured = shapings.flatMap(({times, failure}, place) =>
    times === null || failure !== null ? [] : [{place, cost: costOf(by, 0, times), coldMs: coldOf(times)}],
  );
  const near = withinShare(measured, ({cost}) => cost);
  return withinShare(near, ({coldMs}) => coldMs)[0]?.place ?? 0;
}

/** Those that the best one does not beat by 10 %. */
function withinShare<T>(items: readonly T[], costOfItem: (item: T) => number): T[] {
  const best = Math.min(...items.map(costOfItem));
  return items.filter((item) => WORTHWHILE_SHARE * costOfItem(item) <= best);
}

const coldOf = (times: CandidateTimes): number => costOf('cold', 0, times);

/** Says why a shape was chosen, with the figures. */
export function renderShapeReason(shapings: readonly Shaping[], place: number): string {
  const [first] = shapings;
  const chosen = shapings[place]!;
  if (!first?.times) return 'loaded as it is: it could not be measured';
  if (place === 0) return `loaded as it is: no other way starts sooner and is as good by the objective`;
  return `${describeShape(chosen.shape)}: it starts in ${formatMs(coldOf(chosen.times!))} instead of ${formatMs(coldOf(first.times))}, then answers in ${formatMs(chosen.times!.warmMs)} instead of ${formatMs(first.times.warmMs)}`;
}

/** `weights mapped, not prepacked, one thread`. */
export function describeShape({weights, prepacking, threads}: Shape): string {
  const words = {inside: 'as it is', mapped: 'weights mapped', ahead: 'optimized ahead, weights mapped'};
  return [
    words[weights],
    ...(prepacking ? [] : ['not prepacked']),
    ...(threads === null ? [] : [threads === 1 ? 'one thread' : `${threads} threads`]),
  ].join(', ');
}
