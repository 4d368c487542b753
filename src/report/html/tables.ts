import type {Latency, LoadReport, LoadStage} from '../../core/load.ts';
import type {ProviderReport} from '../../core/report.ts';
import {START_CLASSES} from '../../core/sample.ts';
import {groupsOf, type Group} from '../groups.ts';
import {stageName} from '../load-words.ts';
import {LOAD_QUANTILES, QUANTILES} from '../quantiles.ts';
import {html, type Content, type Markup} from './markup.ts';
import {showCount, showMs, showMsRange} from './numbers.ts';

/** A column: its heading, and what stands in it. */
interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => Content;
}

interface Row<T> {
  readonly name: Content;
  readonly value: T;
}

/** A table in a box that scrolls by itself where the page is narrower. */
function renderTable<T>(caption: string, columns: readonly Column<T>[], rows: readonly Row<T>[]): Markup {
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${caption}">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          <td></td>
          ${columns.map(({title}) => html`<th scope="col" class="n">${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ({name, value}) =>
            html`<tr>
              <th scope="row"><div class="row-name">${name}</div></th>
              ${columns.map(({cell}) => html`<td class="n">${cell(value)}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** Every figure of every group. */
export function renderFigures(providers: readonly ProviderReport[]): Markup {
  const rows = providers.flatMap((provider) =>
    groupsOf(provider).map((group) => ({
      name: html`${providers.length > 1 && html`${provider.provider}, `}<span class="t-${group.name}"
          >${group.name}</span
        >`,
      value: group,
    })),
  );
  return renderTable<Group>(
    'Times by group, with 95 % bounds',
    [
      {title: 'n', cell: ({summary}) => showCount(summary.n)},
      ...QUANTILES.map(({name, key, samplesMin}) => ({
        title: name,
        cell: ({summary}: Group): Content => {
          const [low, high] = summary.intervals[name] ?? [null, null];
          return html`${showMs(summary[key], `n<${samplesMin}`)}<small
              >${low === null ? null : high === null ? `≥ ${showMs(low)}` : showMsRange(low, high)}</small
            >`;
        },
      })),
      {title: 'min', cell: ({summary}) => showMs(summary.minMs)},
      {title: 'max', cell: ({summary}) => showMs(summary.maxMs)},
      {title: 'mean', cell: ({summary}) => showMs(summary.meanMs)},
      {title: 'failed', cell: ({summary}) => showCount(summary.failures)},
    ],
    rows,
  );
}

const LATENCY_COLUMNS: readonly Column<Latency>[] = [
  {title: 'n', cell: ({n}) => showCount(n)},
  ...LOAD_QUANTILES.map(({name, key, samplesMin}) => ({
    title: name,
    cell: (latency: Latency) => showMs(latency[key], `n<${samplesMin}`),
  })),
  {title: 'min', cell: ({minMs}) => showMs(minMs)},
  {title: 'max', cell: ({maxMs}) => showMs(maxMs)},
  {title: 'mean', cell: ({meanMs}) => showMs(meanMs)},
];

const REQUEST_COLUMNS: readonly Column<LoadStage>[] = [
  {title: 'for', cell: ({durationMs}) => (durationMs === 0 ? '–' : showMs(durationMs))},
  {title: 'due', cell: ({due}) => showCount(due)},
  {title: 'answered', cell: ({answered}) => showCount(answered)},
  {title: 'failed', cell: ({failed}) => showCount(failed)},
  {title: 'dropped', cell: ({dropped}) => showCount(dropped)},
  {title: 'in flight, max', cell: ({inFlightMax}) => showCount(inFlightMax)},
  {title: 'sent late, p99', cell: ({lateP99Ms}) => showMs(lateP99Ms)},
];

/** What the answers proved: instances, and of the classes those that came out. */
function evidenceColumns(stages: readonly LoadStage[]): readonly Column<LoadStage>[] {
  if (stages.every(({instances}) => instances === null)) return [];
  const met = START_CLASSES.filter((name) => stages.some(({classes}) => classes[name] > 0));
  return [
    ...met.map((name) => ({title: name, cell: ({classes}: LoadStage) => showCount(classes[name])})),
    {title: 'instances', cell: ({instances}) => showCount(instances)},
  ];
}

/** Every stage of a load: its times, and what became of its requests. */
export function renderStages({stages}: LoadReport, provider: string): Markup {
  const times = stages.flatMap((stage) => [
    {name: html`${stageName(stage)}<small>since it was due</small>`, value: stage.latency},
    {name: html`${stageName(stage)}<small>since it was sent</small>`, value: stage.service},
  ]);
  const requests = stages.map((stage) => ({name: stageName(stage), value: stage}));
  const requestColumns = [...REQUEST_COLUMNS, ...evidenceColumns(stages)];
  return html`${renderTable(`Times under load, ${provider}`, LATENCY_COLUMNS, times)}
  ${renderTable(`Requests under load, ${provider}`, requestColumns, requests)}`;
}

/** What the requests came out as, whatever was wanted of them. */
export function renderClasses(providers: readonly ProviderReport[]): Markup {
  const met = START_CLASSES.filter((name) => providers.some(({classes}) => classes[name] > 0));
  return renderTable<ProviderReport>(
    'Good answers by what they turned out to be',
    [
      ...met.map((name) => ({title: name, cell: ({classes}: ProviderReport) => showCount(classes[name])})),
      {title: 'first after deploy', cell: ({firstAfterDeployMs}) => showMs(firstAfterDeployMs)},
      {title: 'warm overhead', cell: ({warmOverheadMs}) => showMs(warmOverheadMs)},
    ],
    providers.map((value) => ({name: value.provider, value})),
  );
}

/** Shots that came out otherwise than they were wanted, and such as failed; null where there were none. */
export function renderMisses(providers: readonly ProviderReport[]): Markup | null {
  const rows = providers.flatMap(({provider, missed, failed}) => [
    ...missed.map(({want, got, count}) => ({
      name: provider,
      value: {count, want, outcome: html`came out ${got}`},
    })),
    ...failed.map(({want, error, count}) => ({
      name: provider,
      value: {count, want, outcome: html`<strong class="bad">failed:</strong> ${error}`},
    })),
  ]);
  if (rows.length === 0) return null;
  return html`<div class="scroll" role="region" tabindex="0" aria-label="Requests that came out otherwise">
    <table>
      <caption>
        Requests that came out otherwise than wanted
      </caption>
      <thead>
        <tr>
          <td></td>
          <th scope="col" class="n">requests</th>
          <th scope="col">wanted</th>
          <th scope="col">what became of them</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ({name, value}) =>
            html`<tr>
              <th scope="row"><div class="row-name">${name}</div></th>
              <td class="n">${showCount(value.count)}</td>
              <td>${value.want}</td>
              <td class="long">${value.outcome}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
