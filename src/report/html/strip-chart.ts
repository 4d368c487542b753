import type {ProviderReport} from '../../core/report.ts';
import {groupsOf, type Group} from '../groups.ts';
import {anchorAt, logAxis, uprights, type Axis} from './axis.ts';
import {renderChart} from './chart.ts';
import {html, type Markup} from './markup.ts';
import {percent, showCount, showCountOf, showMs, showMsRange} from './numbers.ts';

const STRIP_HEIGHT = 134;
const BAND = {top: 42, height: 58};

const MIDDLE = BAND.top + BAND.height / 2;

/** Columns of dots across the chart. */
const COLUMNS = 180;

/** As many dots as one strip has at most. */
const DOTS_MAX = 1500;

/**
 * Draws every request of every group as a dot at the time it took, on one logarithmic axis for all providers, with the
 * median, the p95 and their 95 % bounds. Null where there is nothing to draw.
 */
export function renderStrips(providers: readonly ProviderReport[]): Markup | null {
  const places = providers
    .map((provider, i) => ({
      name: provider.provider,
      id: `strips-${i}`,
      strips: groupsOf(provider).filter(({summary}) => summary.n > 0),
    }))
    .filter(({strips}) => strips.length > 0);
  if (places.length === 0) return null;
  const all = places.flatMap(({strips}) => strips);
  const axis = logAxis(all.flatMap(({summary}) => [summary.minMs ?? 0, summary.maxMs ?? 0]));
  const figures = places.map(({name, id, strips}) => {
    const bottom = strips.length * STRIP_HEIGHT;
    return html`<figure>
      ${providers.length > 1 && html`<h3>${name}</h3>`}
      ${renderChart({
        id,
        title: `How long every request to ${name} took`,
        description: strips.map(describe).join(' '),
        height: bottom + 24,
        body: [
          uprights(axis, 0, bottom),
          strips.map((strip, i) => renderStrip(strip, axis, i * STRIP_HEIGHT)),
        ],
      })}
    </figure>`;
  });
  return html`${figures}
    <p class="caption">${captionOf(all)}</p>`;
}

function renderStrip({name, summary, times}: Group, axis: Axis, top: number): Markup {
  const {minMs, maxMs, p50Ms, p95Ms, intervals} = summary;
  const range =
    times === null && minMs !== null && maxMs !== null
      ? html`<line
          class="range s-${name}"
          x1="${percent(axis.at(minMs))}"
          x2="${percent(axis.at(maxMs))}"
          y1="${MIDDLE}"
          y2="${MIDDLE}"
        />`
      : null;
  return html`<g class="strip" transform="translate(0 ${top})">
    <text class="strip-name halo" x="0" y="14"
      ><tspan class="t-${name}">${name}</tspan
      ><tspan class="quiet" dx="8">${showCountOf(summary.n, 'request')}</tspan></text
    >
    ${range}<g class="dots f-${name}">${times === null ? null : renderDots(times, axis)}</g>
    ${p50Ms === null ? null : renderMark('p50', p50Ms, intervals['p50'], axis, BAND.top - 2, BAND.top - 7)}
    ${p95Ms === null ? null : renderMark('p95', p95Ms, intervals['p95'], axis, BAND.top + BAND.height + 2, BAND.top + BAND.height + 17)}
  </g>`;
}

/** A quantile: an upright line through the band, its bounds as a bar at one end, its value beside that. */
function renderMark(
  name: 'p50' | 'p95',
  ms: number,
  bounds: readonly [number | null, number | null] | undefined,
  axis: Axis,
  barY: number,
  textY: number,
): Markup {
  const at = axis.at(ms);
  const x = percent(at);
  const [low, high] = bounds ?? [null, null];
  const bar =
    low === null || high === null
      ? null
      : html`<line
          class="bounds"
          x1="${percent(axis.at(low))}"
          x2="${percent(axis.at(high))}"
          y1="${barY}"
          y2="${barY}"
        />`;
  return html`<line
      class="mark ${name}"
      x1="${x}"
      x2="${x}"
      y1="${BAND.top - 2}"
      y2="${BAND.top + BAND.height + 2}"
    />${bar}<text class="mark-label halo" x="${x}" y="${textY}" text-anchor="${anchorAt(at)}"
      ><tspan class="quiet">${name}</tspan> ${showMs(ms)}</text
    >`;
}

/**
 * Stacks dots in columns about the middle of the band. Where there are too many, a dot stands for several requests
 * of its column; no column that has any is left without, so whatever is far from the rest is there.
 */
function renderDots(times: readonly number[], axis: Axis): Markup[] {
  const columns = new Map<number, number>();
  for (const ms of times) {
    const column = Math.min(COLUMNS - 1, Math.floor(axis.at(ms) * COLUMNS));
    columns.set(column, (columns.get(column) ?? 0) + 1);
  }
  const perDot = requestsPerDot(times.length);
  const stacks = [...columns]
    .sort(([a], [b]) => a - b)
    .map(([column, count]) => ({column, dots: Math.ceil(count / perDot)}));
  const tallest = stacks.reduce((most, {dots}) => Math.max(most, dots), 1);
  const step = Math.min(5, (BAND.height - 5) / Math.max(1, tallest - 1));
  return stacks.flatMap(({column, dots}) =>
    Array.from({length: dots}, (_, i) => {
      const y = Number((MIDDLE + step * (i - (dots - 1) / 2)).toFixed(1));
      return html`<circle cx="${percent((column + 0.5) / COLUMNS)}" cy="${y}" r="2.3" />`;
    }),
  );
}

const requestsPerDot = (count: number): number => Math.ceil(count / DOTS_MAX);

function captionOf(strips: readonly Group[]): Markup {
  const thinnest = strips.reduce((most, {times}) => Math.max(most, requestsPerDot(times?.length ?? 0)), 1);
  const dots = strips.every(({times}) => times === null)
    ? 'The report has no single times: a line from the fastest to the slowest request stands for them.'
    : thinnest === 1
      ? 'Each dot is one request; none is left out.'
      : `Where requests lie close, a dot stands for up to ${showCount(thinnest)} of them; none is left out, and far ones have a dot of their own.`;
  return html`${dots} Lines are the p50 (solid) and the p95 (dashed) with their 95 % bounds as a bar. A p95 is
  drawn from 59 requests on.`;
}

function describe({name, summary}: Group): string {
  const {n, minMs, maxMs, p50Ms} = summary;
  const range = minMs === null || maxMs === null ? '' : `, from ${showMsRange(minMs, maxMs)}`;
  const middle = p50Ms === null ? '' : `, median ${showMs(p50Ms)}`;
  return `${name}: ${showCountOf(n, 'request')}${range}${middle}.`;
}
