import type {ProviderReport} from '../../core/report.ts';
import {phasesInOrder} from '../phases.ts';
import {linearAxis, msTick, uprights, type Axis} from './axis.ts';
import {renderChart} from './chart.ts';
import {html, type Markup} from './markup.ts';
import {percent, showMs} from './numbers.ts';

/** A phase at its place on the timeline, in milliseconds. */
interface Segment {
  readonly name: string;
  readonly ms: number;
  readonly fromMs: number;
  /** Zero for a residual below zero, which the rest of the timeline does not follow. */
  readonly lengthMs: number;
}

const MEANINGS = new Map(
  Object.entries({
    connect: 'opening the connection, TLS included',
    residual: 'the platform and the way: what no phase explains',
    boot: 'the process starts',
    import: 'the server and the handler are loaded',
    load: 'the model is loaded',
    wait: 'ready, until the request came',
    infer: 'the request is worked on',
    response: 'first byte to last byte',
  }),
);

const BAR = {top: 4, height: 34};

/** A share of the width that can still be seen, and one from which on a segment has edges. */
const LEAST_SEEN = 0.006;
const EDGED = 0.015;

/** What share of the width a letter takes, on a wide page and on a phone. */
const LETTER = {wide: 0.0085, phone: 0.02};

/** Where a cold start of one provider goes. */
interface Timeline {
  readonly provider: ProviderReport;
  readonly segments: readonly Segment[];
  readonly id: string;
}

/**
 * Draws where a cold start goes: its phases one after the other, for each provider on one scale, and a table of them.
 */
export function renderPhases(providers: readonly ProviderReport[]): Markup | null {
  const timelines = providers
    .map((provider, i) => ({provider, segments: segmentsOf(provider), id: `phases-${i}`}))
    .filter(({segments}) => segments.some(({lengthMs}) => lengthMs > 0));
  const [first] = timelines;
  if (!first) return null;
  const axis = linearAxis(Math.max(...timelines.map(({segments}) => endOf(segments))), msTick, 6);
  const hasResidual = timelines.some(({provider}) => 'residual' in provider.cold.phases);
  return html`${timelines.map((timeline) => renderBar(timeline, axis, timelines.length > 1))}
    ${renderTable(timelines, (segment) =>
      timelines.length === 1 ? renderLane(segment, axis, first.id) : renderSwatch(segment, first.id),
    )}
    <p class="caption">
      Medians of each phase. Each median is its own, so together they are not exactly a p50.
      ${hasResidual && 'Residual is the wait less all reported phases less the median overhead of a warm request: the only view of what the platform does.'}
    </p>`;
}

/** All phases in one bar. */
function renderBar({provider, segments, id}: Timeline, axis: Axis, isNamed: boolean): Markup {
  return html`<figure>
    ${isNamed && html`<h3>${provider.provider}</h3>`}
    ${renderChart({
      id,
      title: `Where a cold start of ${provider.provider} goes`,
      description: segments.map(({name, ms}) => `${name} ${showMs(ms)}`).join(', '),
      height: BAR.top + BAR.height + 28,
      body: [
        renderHatch(id),
        uprights(axis, 0, BAR.top + BAR.height + 6),
        segments.map((segment) => renderSegment(segment, axis, id)),
      ],
    })}
  </figure>`;
}

const renderHatch = (id: string): Markup =>
  html`<defs
    ><pattern
      id="${id}-hatch"
      width="6"
      height="6"
      patternUnits="userSpaceOnUse"
      patternTransform="rotate(45)"
      ><rect class="hatch-ground" width="6" height="6" /><line
        class="hatch-line"
        x1="0"
        x2="0"
        y1="0"
        y2="6" /></pattern
  ></defs>`;

/** The phases in figures, a row each, with something drawn to tell it in the bar. */
function renderTable(timelines: readonly Timeline[], draw: (segment: Segment) => Markup): Markup {
  const isNamed = timelines.length > 1;
  const columns = timelines.flatMap(({provider}) => [
    {
      title: isNamed
        ? html`<div class="row-name">${provider.provider}</div>
            cold`
        : 'cold',
      phases: provider.cold.phases,
    },
    ...(Object.keys(provider.warm.phases).length > 0
      ? [
          {
            title: isNamed
              ? html`<div class="row-name">${provider.provider}</div>
                  warm`
              : 'warm',
            phases: provider.warm.phases,
          },
        ]
      : []),
  ]);
  const inAny = Object.assign({}, ...columns.map(({phases}) => phases)) as ProviderReport['cold']['phases'];
  const rows = phasesInOrder(inAny).map(([name]) => {
    const drawn = timelines.flatMap(({segments}) => segments).find((segment) => segment.name === name);
    const cells = columns.map(
      ({phases}) =>
        html`<td class="n">${showMs(Object.hasOwn(phases, name) ? (phases[name] ?? null) : null, '')}</td>`,
    );
    return html`<tr>
      <th scope="row">${name}<small>${MEANINGS.get(name) ?? null}</small></th>
      <td class="${isNamed ? 'swatch' : 'lane'}">${drawn === undefined ? null : draw(drawn)}</td>
      ${cells}
    </tr>`;
  });
  return html`<div class="scroll" role="region" tabindex="0" aria-label="Phases of a cold start, as a table">
    <table class="phases">
      <thead>
        <tr>
          <th scope="col">phase</th>
          <th scope="col">${isNamed ? 'drawn as' : 'on one timeline'}</th>
          ${columns.map(({title}) => html`<th scope="col" class="n">${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

/** A phase in the bar of all, with its name where there is room for it. */
function renderSegment(segment: Segment, axis: Axis, id: string): Markup | null {
  if (segment.lengthMs <= 0) return null;
  const from = axis.at(segment.fromMs);
  const width = axis.at(segment.fromMs + segment.lengthMs) - from;
  return html`<rect
      class="${width > EDGED && 'edged '}${classOf(segment)}"
      x="${percent(from)}"
      width="${percent(width)}"
      y="${BAR.top}"
      height="${BAR.height}"
      ${fillOf(segment, id)}
    />${renderSegmentName(segment, from, width)}`;
}

/** A phase's name in its segment; none where that is too narrow even on a wide page. */
function renderSegmentName(segment: Segment, from: number, width: number): Markup | null {
  const letters = segment.name.length + 1;
  if (width < letters * LETTER.wide) return null;
  return html`<text
    class="segment-name${width < letters * LETTER.phone && ' wide'} on-${classOf(segment)}"
    x="${percent(from + width / 2)}"
    y="${BAR.top + BAR.height / 2 + 4}"
    text-anchor="middle"
    >${segment.name}</text
  >`;
}

/** A phase alone, at the same place: readable without telling fills apart. */
function renderLane(segment: Segment, axis: Axis, id: string): Markup {
  const from = axis.at(segment.fromMs);
  const width = Math.max(0, axis.at(segment.fromMs + segment.lengthMs) - from);
  return html`<svg class="lane" aria-hidden="true" width="100%" height="14">
    <line class="grid" x1="0" x2="100%" y1="7" y2="7" />
    ${width > 0 && html`<rect class="${classOf(segment)}" x="${percent(from)}" width="${percent(Math.max(width, LEAST_SEEN))}" y="1" height="12" ${fillOf(segment, id)} />`}
  </svg>`;
}

const renderSwatch = (segment: Segment, id: string): Markup =>
  html`<svg aria-hidden="true" width="28" height="14">
    <rect class="${classOf(segment)}" width="28" height="12" y="1" ${fillOf(segment, id)} />
  </svg>`;

const classOf = ({name}: Segment): string => (MEANINGS.has(name) ? `p-${name}` : 'p-other');

const fillOf = ({name}: Segment, id: string): Markup | null =>
  name === 'residual' ? html` fill="url(#${id}-hatch)"` : null;

function segmentsOf({cold}: ProviderReport): Segment[] {
  let fromMs = 0;
  return phasesInOrder(cold.phases).map(([name, ms]) => {
    const segment = {name, ms, fromMs, lengthMs: Math.max(0, ms)};
    fromMs += segment.lengthMs;
    return segment;
  });
}

const endOf = (segments: readonly Segment[]): number => {
  const last = segments.at(-1);
  return last ? last.fromMs + last.lengthMs : 0;
};
