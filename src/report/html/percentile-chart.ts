import {curveStepBefore, line} from 'd3-shape';
import type {ProviderReport} from '../../core/report.ts';
import {groupsOf} from '../groups.ts';
import {decodeHistogram} from '../hdr.ts';
import {levels, logAxis, quantileAxis, uprights, type Axis} from './axis.ts';
import {inSquare, renderChart, stretched} from './chart.ts';
import {html, type Markup} from './markup.ts';
import {showCountOf, showMs} from './numbers.ts';

interface Point {
  readonly quantile: number;
  readonly ms: number;
}

/** One curve, and how many requests it is made of. */
interface Curve {
  readonly name: 'cold' | 'warm' | 'restored' | 'unknown' | 'load';
  readonly n: number;
  /** Ascending; the last is the slowest request. */
  readonly points: readonly Point[];
}

const PLOT = {top: 14, height: 230};

/** Points of a curve at most: as many as can be told apart. */
const POINTS_MAX = 300;

/** What share of requests took how long at most: a curve per group, a panel per provider, all on the same axes. */
export function renderPercentiles(providers: readonly ProviderReport[]): Markup | null {
  const panels = providers
    .map((provider) => ({provider: provider.provider, curves: curvesOf(provider)}))
    .filter(({curves}) => curves.length > 0);
  if (panels.length === 0) return null;
  const curves = panels.flatMap((panel) => panel.curves);
  const y = logAxis(curves.flatMap(({points}) => points.map(({ms}) => ms)));
  const x = quantileAxis(2 * Math.max(...curves.map(({n}) => n)));
  return html`<div class="panels">
      ${panels.map(({provider, curves}, i) => renderPanel(provider, curves, x, y, `percentiles-${i}`, panels.length > 1))}
    </div>
    <p class="caption">
      Read: at p90, nine of ten requests took no longer. Each step to the right takes away nine tenths of what
      was left. A curve is dotted where its number of requests no longer carries it (a p95 takes 59, a p99
      299); it ends at the slowest request.
    </p>`;
}

function renderPanel(
  provider: string,
  curves: readonly Curve[],
  x: Axis,
  y: Axis,
  id: string,
  named: boolean,
): Markup {
  return html`<figure>
    ${named && html`<h3>${provider}</h3>`}
    <ul class="legend" aria-hidden="true">
      ${curves.map(
        ({name}) =>
          html`<li>
            <svg width="28" height="10"><line class="curve s-${name}" x1="0" x2="28" y1="5" y2="5" /></svg
            >${name}
          </li>`,
      )}
    </ul>
    ${renderChart({
      id,
      title: `What share of the requests to ${provider} took how long at most`,
      description: curves
        .map(
          ({name, n, points}) =>
            `${name}: ${showCountOf(n, 'request')}, the slowest ${showMs(points.at(-1)?.ms ?? null)}.`,
        )
        .join(' '),
      height: PLOT.top + PLOT.height + 24,
      gutter: true,
      body: [
        uprights(x, PLOT.top, PLOT.top + PLOT.height),
        levels(y, PLOT.top, PLOT.height),
        stretched(
          PLOT.top,
          PLOT.height,
          curves.map((curve) => renderCurve(curve, x, y)),
        ),
      ],
    })}
  </figure>`;
}

function renderCurve({name, n, points}: Curve, x: Axis, y: Axis): Markup {
  const carried = 0.05 ** (1 / n);
  const end = points.findIndex(({quantile}) => quantile > carried);
  const split = end < 0 ? points.length : end;
  const path = line<Point>(
    ({quantile}) => inSquare(x.at(quantile)),
    ({ms}) => inSquare(1 - y.at(ms)),
  )
    .curve(curveStepBefore)
    .digits(1);
  const draw = (part: readonly Point[], extra: string): Markup | null =>
    part.length < 2 ? null : html`<path class="curve s-${name}${extra}" d="${path([...part]) ?? ''}" />`;
  return html`${draw(points.slice(0, split), '')}${draw(points.slice(Math.max(0, split - 1)), ' guess')}`;
}

function curvesOf(provider: ProviderReport): Curve[] {
  const groups = groupsOf(provider).flatMap(({name, times}): Curve[] =>
    times === null || times.length === 0 ? [] : [{name, n: times.length, points: pointsOf(times)}],
  );
  const histogram = provider.load === null ? null : decodeHistogram(provider.load.histogram);
  if (histogram === null || histogram.totalCount === 0) return groups;
  const n = histogram.totalCount;
  const points = quantilesFor(n).map((quantile) => ({
    quantile,
    ms: histogram.getValueAtPercentile(quantile * 100) / 1000,
  }));
  return [...groups, {name: 'load', n, points}];
}

function pointsOf(times: readonly number[]): Point[] {
  const sorted = [...times].sort((a, b) => a - b);
  return quantilesFor(sorted.length).map((quantile) => ({
    quantile,
    ms: sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))] ?? 0,
  }));
}

/** Quantiles of n values to draw: of every value, or evenly along the axis where that is too many. */
function quantilesFor(n: number): number[] {
  if (n <= POINTS_MAX) return Array.from({length: n}, (_, i) => (i + 0.5) / n);
  const decades = Math.log10(2 * n);
  return Array.from({length: POINTS_MAX}, (_, i) => 1 - 10 ** ((-decades * i) / (POINTS_MAX - 1)));
}
