import type {ProviderReport, Report, Summary} from '../core/report.ts';
import {formatMs} from '../core/units.ts';
import {formatMsRange} from './duration.ts';
import {coldToWarm, QUANTILES, renderRatio} from './quantiles.ts';

/** The report as a Markdown table and the remarks that belong to it, for a pull request. */
export function renderMarkdown(report: Report): string {
  const header = ['', 'n', ...QUANTILES.map(({name}) => name), 'min–max'];
  const rows = report.providers.flatMap((provider) => [
    rowOf(`${provider.provider} cold`, provider.cold),
    rowOf(`${provider.provider} warm`, provider.warm),
  ]);
  const rule = ['---', ...header.slice(1).map(() => '---:')];
  const table = [header, rule, ...rows].map((cells) => `| ${cells.map(escape).join(' | ')} |`);
  const remarks = report.providers.flatMap(remarksOf).map((remark) => `- ${escape(remark)}`);
  return (
    [`### ${escape(report.function ?? 'benchmark')}`, '', ...table, '', ...remarks].join('\n').trimEnd() +
    '\n'
  );
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
  const phases = Object.entries(cold.phases).map(([phase, ms]) => `${phase} ${formatMs(ms)}`);
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
