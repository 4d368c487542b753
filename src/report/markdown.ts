import type {ProviderReport, Report, Summary} from '../core/report.ts';
import {formatMs} from '../core/units.ts';
import {formatMsRange} from './duration.ts';
import {groupsOf} from './groups.ts';
import {describeKnee, describeLoad, formatColdShare, stageName} from './load-words.ts';
import {phasesInOrder} from './phases.ts';
import {coldToWarm, QUANTILES, renderRatio} from './quantiles.ts';
import {SIDE_BY_SIDE_HEADER, sideBySide} from './side-by-side.ts';

/** The report as a Markdown table and the remarks that belong to it, for a pull request. */
export function renderMarkdown(report: Report): string {
  const header = ['', 'n', ...QUANTILES.map(({name}) => name), 'min–max'];
  const rows = report.providers.flatMap((provider) =>
    groupsOf(provider).map(({name, summary}) => rowOf(`${provider.provider} ${name}`, summary)),
  );
  const remarks = report.providers.flatMap(remarksOf).map((remark) => `- ${escape(remark)}`);
  const blocks = [
    [`### ${escape(report.function ?? 'benchmark')}`],
    ...(report.interrupted ? [['Interrupted: this is what was measured until then.']] : []),
    renderTable(header, rows),
    renderSideBySide(report.providers),
    ...report.providers.map(renderLoad),
    remarks,
  ];
  return `${blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n')}\n`;
}

/** A table with its first column to the left and the others to the right. */
function renderTable(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const rule = ['---', ...header.slice(1).map(() => '---:')];
  return [header, rule, ...rows].map((cells) => `| ${cells.map(escape).join(' | ')} |`);
}

function renderSideBySide(providers: readonly ProviderReport[]): string[] {
  const rows = sideBySide(providers);
  return rows.length === 0 ? [] : renderTable(['', ...SIDE_BY_SIDE_HEADER.slice(1)], rows);
}

function renderLoad({provider, load}: ProviderReport): string[] {
  if (load === null) return [];
  const knee = describeKnee(load);
  const header = ['', 'due', 'dropped', 'failed', 'p50', 'p99', 'max', 'instances', 'cold'];
  const rows = load.stages.map((stage) => [
    `${provider} ${stageName(stage)}`,
    ...[stage.due, stage.dropped, stage.failed].map(String),
    stage.latency.p50Ms === null ? 'n<5' : formatMs(stage.latency.p50Ms),
    stage.latency.p99Ms === null ? 'n<299' : formatMs(stage.latency.p99Ms),
    stage.latency.maxMs === null ? '' : formatMs(stage.latency.maxMs),
    stage.instances === null ? '' : String(stage.instances),
    formatColdShare(stage),
  ]);
  return [
    escape(
      `Under load, ${describeLoad(load.shape)}, from when each request was due${knee === null ? '' : `: ${knee}`}`,
    ),
    '',
    ...renderTable(header, rows),
  ];
}

function rowOf(label: string, summary: Summary): string[] {
  return [
    label,
    String(summary.n),
    ...QUANTILES.map(({key, samplesMin}) => {
      const value = summary[key];
      return value === null ? `n<${samplesMin}` : formatMs(value);
    }),
    summary.minMs === null || summary.maxMs === null ? '' : formatMsRange(summary.minMs, summary.maxMs, '–'),
  ];
}

function remarksOf({
  provider,
  cold,
  warm,
  firstAfterDeployMs,
  missed,
  failed,
  notes,
}: ProviderReport): string[] {
  const ratio = coldToWarm(cold, warm);
  const phases = phasesInOrder(cold.phases).map(([phase, ms]) => `${phase} ${formatMs(ms)}`);
  return [
    ...(phases.length === 0 ? [] : [`${provider}, cold, medians: ${phases.join(', ')}`]),
    ...(ratio === null
      ? []
      : [`${provider}: a cold request takes ${renderRatio(ratio)} times as long as a warm one`]),
    ...(firstAfterDeployMs === null
      ? []
      : [`${provider}: first cold start measured of this image, apart: ${formatMs(firstAfterDeployMs)}`]),
    ...missed.map(({want, got, count}) => `${provider}: ${count} wanted ${want}, came out ${got}`),
    ...failed.map(({want, error, count}) => `${provider}: ${count} wanted ${want}, failed: ${error}`),
    ...notes.map((note) => `${provider}: ${note}`),
  ];
}

/** Keeps text from ending a cell, starting markup, or breaking the line. */
function escape(text: string): string {
  return text.replaceAll(/[\\`*_[\]<>|]/g, String.raw`\$&`).replaceAll(/\s+/g, ' ');
}
