import type {ProviderReport, Report, Summary} from '../core/report.ts';
import {formatMs} from '../core/units.ts';
import {formatMsRange} from './duration.ts';
import {groupsOf} from './groups.ts';
import {phasesInOrder} from './phases.ts';
import {coldToWarm, QUANTILES, renderRatio} from './quantiles.ts';
import type {Screen} from './screen.ts';
import {SIDE_BY_SIDE_HEADER, sideBySide} from './side-by-side.ts';
import {renderTerminalLoad} from './terminal-load.ts';

/** Renders a report for a terminal: a table, the phases of a cold start as one bar, and what there is to remark. */
export function renderTerminal(report: Report, screen: Screen): string {
  const {bold, dim, warn} = screen.paint;
  const dot = screen.unicode ? ' · ' : ' | ';
  const title = [
    report.function ?? 'benchmark',
    `thaw ${report.thaw}`,
    report.startedAt.slice(0, 16).replace('T', ' ') + ' UTC',
  ];
  const blocks = [
    [bold(title[0] ?? '') + dim(dot + title.slice(1).join(dot))],
    ...(report.interrupted ? [[warn('Interrupted: this is what was measured until then.')]] : []),
    renderTable(report.providers, screen),
    renderSideBySide(report.providers, screen),
    ...report.providers.flatMap((provider) => [
      renderBar(provider, screen),
      renderTerminalLoad(provider, screen),
      renderRemarks(provider, screen),
    ]),
  ];
  return blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n')
    .concat('\n');
}

// The table

interface Column {
  readonly title: string;
  readonly cell: (summary: Summary) => string;
  /** The line under a row: 95 % bounds. */
  readonly under: (summary: Summary) => string;
  /** Columns go, highest first, until the table fits. */
  readonly expendable: number;
}

function renderTable(providers: readonly ProviderReport[], {width, unicode, paint}: Screen): string[] {
  const dash = unicode ? '–' : '-';
  const columns: readonly Column[] = [
    {title: 'n', cell: ({n}) => String(n), under: () => '', expendable: 0},
    ...QUANTILES.map(({name, key, samplesMin}, index) => ({
      title: name,
      cell: (summary: Summary) => {
        const value = summary[key];
        return value === null ? `n<${samplesMin}` : formatMs(value);
      },
      under: (summary: Summary) => renderBounds(summary, name, dash),
      expendable: [0, 3, 1, 2][index] ?? 0,
    })),
    {
      title: `min${dash}max`,
      cell: ({minMs, maxMs}) => (minMs === null || maxMs === null ? '' : formatMsRange(minMs, maxMs, dash)),
      under: () => '',
      expendable: 4,
    },
  ];
  const rows = providers.flatMap((provider) =>
    groupsOf(provider).map(({name, summary}) => ({label: `${provider.provider} ${name}`, summary})),
  );
  const labelWidth = Math.max(...rows.map(({label}) => label.length));
  const sized = columns.map((column) => ({
    ...column,
    width: Math.max(
      column.title.length,
      ...rows.flatMap(({summary}) => [column.cell(summary).length, column.under(summary).length]),
    ),
  }));
  const shown = fitting(sized, width - labelWidth);
  const line = (label: string, cells: readonly string[]): string =>
    label.padEnd(labelWidth) + cells.map((cell, i) => `  ${cell.padStart(shown[i]?.width ?? 0)}`).join('');

  const lines = [
    paint.dim(
      line(
        '',
        shown.map(({title}) => title),
      ),
    ),
  ];
  for (const {label, summary} of rows) {
    const [named, figures] = splitAt(
      line(
        label,
        shown.map(({cell}) => cell(summary)),
      ),
      labelWidth,
    );
    lines.push(paint.bold(named) + figures);
    const under = line(
      '',
      shown.map((column) => column.under(summary)),
    );
    if (under.trim() !== '') lines.push(paint.dim(under.trimEnd()));
  }
  if (rows.some(({summary}) => shown.some((column) => column.under(summary) !== ''))) {
    lines.push(paint.dim('Under each figure: its 95 % bounds. n<59: it takes 59 samples to say more.'));
  }
  return lines;
}

function renderSideBySide(providers: readonly ProviderReport[], {paint}: Screen): string[] {
  const rows = sideBySide(providers);
  if (rows.length === 0) return [];
  const all = [SIDE_BY_SIDE_HEADER, ...rows];
  const widths = SIDE_BY_SIDE_HEADER.map((_, i) => Math.max(...all.map((row) => row[i]!.length)));
  const [header = '', ...lines] = all.map(([label = '', ...cells]) => {
    const figures = cells.map((cell, i) => `  ${cell.padStart(widths[i + 1]!)}`).join('');
    return label.padEnd(widths[0]!) + figures;
  });
  return [paint.dim(header), ...lines];
}

function renderBounds(summary: Summary, quantile: string, dash: string): string {
  const [low, high] = summary.intervals[quantile] ?? [null, null];
  return low === null || high === null ? '' : formatMsRange(low, high, dash);
}

function fitting<C extends {readonly width: number; readonly expendable: number}>(
  columns: readonly C[],
  width: number,
): readonly C[] {
  const needed = columns.reduce((sum, column) => sum + 2 + column.width, 0);
  const next = columns.reduce<C | null>(
    (most, column) => (column.expendable > (most?.expendable ?? 0) ? column : most),
    null,
  );
  return needed <= width || next === null
    ? columns
    : fitting(
        columns.filter((column) => column !== next),
        width,
      );
}

const splitAt = (text: string, at: number): [string, string] => [text.slice(0, at), text.slice(at)];

// The phases of a cold start

const BLOCKS = ['█', '▓', '▒', '░', '▞', '·', '▚', '▪'];
const LETTERS = ['#', '=', '+', '-', '*', '.', '%', 'o'];

function renderBar({provider, cold}: ProviderReport, {width, unicode, paint}: Screen): string[] {
  const phases = phasesInOrder(cold.phases);
  if (phases.every(([, ms]) => ms <= 0)) return [];
  // Every part has a fill of its own too, so that the bar can be read without colour.
  const fills = unicode ? BLOCKS : LETTERS;
  const paints = [paint.accent, paint.good, paint.warn, paint.dim, paint.bold, paint.dim];
  const parts = phases.map(([name, ms], i) => ({
    name,
    ms,
    fill: fills[i % fills.length] ?? '',
    paint: paints[i % paints.length] ?? paint.dim,
  }));
  const cells = shareOut(
    parts.map(({ms}) => Math.max(0, ms)),
    Math.min(width, 72),
  );
  const caption =
    'residual' in cold.phases ? '(medians; residual: wait that no phase explains)' : '(medians)';
  return [
    `${paint.bold(`Where a cold start of ${provider} goes`)} ${paint.dim(caption)}`,
    parts.map((part, i) => part.paint(part.fill.repeat(cells[i] ?? 0))).join(''),
    ...wrap(
      parts.map((part) => ({
        text: `${part.fill} ${part.name} ${formatMs(part.ms)}`,
        painted: `${part.paint(part.fill)} ${part.name} ${formatMs(part.ms)}`,
      })),
      width,
    ),
  ];
}

/**
 * Shares out cells in proportion to some amounts, so that the cells add up: each part ends where its running total
 * does, to the nearest cell.
 */
function shareOut(amounts: readonly number[], cells: number): number[] {
  const total = amounts.reduce((sum, amount) => sum + amount, 0);
  let running = 0;
  let end = 0;
  return amounts.map((amount) => {
    const start = end;
    running += amount;
    end = Math.round((running / total) * cells);
    return end - start;
  });
}

function wrap(items: readonly {readonly text: string; readonly painted: string}[], width: number): string[] {
  const lines: {length: number; painted: string}[] = [];
  for (const {text, painted} of items) {
    const last = lines.at(-1);
    if (last && last.length + 3 + text.length <= width) {
      last.length += 3 + text.length;
      last.painted += `   ${painted}`;
    } else {
      lines.push({length: text.length, painted});
    }
  }
  return lines.map((line) => line.painted);
}

// Remarks

function renderRemarks(provider: ProviderReport, {unicode, paint}: Screen): string[] {
  const {cold, warm, firstAfterDeployMs, missed, failed, notes} = provider;
  const ratio = coldToWarm(cold, warm);
  const bullet = unicode ? '•' : '-';
  const shots = (count: number): string => (count === 1 ? '1 shot' : `${count} shots`);
  return [
    ...(ratio === null
      ? []
      : [
          `On ${provider.provider} a cold request takes ${paint.bold(`${renderRatio(ratio)} times`)} as long as a warm one.`,
        ]),
    ...(firstAfterDeployMs === null
      ? []
      : [
          `The first cold start measured of this image took ${formatMs(firstAfterDeployMs)}; it is not in the table.`,
        ]),
    ...missed.map(({want, got, count}) => paint.warn(`${shots(count)} wanted ${want} and came out ${got}.`)),
    ...failed.map(({want, error, count}) =>
      paint.warn(`${shots(count)} wanted ${want} and failed: ${error}.`),
    ),
    ...notes.map((note) => paint.dim(`${bullet} ${note}`)),
  ];
}
