import {stripVTControlCharacters} from 'node:util';
import type {
  Comparison,
  FailureChange,
  GroupComparison,
  QuantileChange,
  Verdict,
} from '../core/comparison.ts';
import {formatMs} from '../core/units.ts';
import type {BudgetScreen} from './budgets.ts';
import type {Screen} from './screen.ts';

const WORDS: {readonly [V in Verdict]: string} = {
  better: 'better',
  worse: 'worse',
  same: 'same',
  'cannot-tell': 'cannot tell',
};

/** Renders a comparison for a terminal: its verdict, a line for each quantile of each group, and what to know of it. */
export function renderComparison(
  comparison: Comparison,
  screen: BudgetScreen & Pick<Screen, 'width'>,
): string {
  const {paint, unicode} = screen;
  const colours = {better: paint.good, worse: paint.bad, same: paint.dim, 'cannot-tell': paint.warn};
  const bullet = unicode ? '•' : '-';
  const blocks = [
    [
      `${paint.bold('B against A:')} ${colours[comparison.verdict](WORDS[comparison.verdict])}`,
      ...titles(comparison).map(paint.dim),
    ],
    renderRows(comparison, screen, (verdict) => colours[verdict]),
    [
      ...comparison.groups.flatMap(effectOf),
      ...comparison.failures
        .filter(({a, b}) => a.count + b.count > 0)
        .map((change) => colours[change.verdict](describeFailures(change))),
    ],
    [
      ...comparison.caveats.map((caveat) => paint.warn(`! ${caveat}`)),
      ...comparison.differences.map((difference) => paint.dim(`${bullet} ${difference}`)),
    ],
    [paint.dim(footOf(comparison))],
  ];
  return blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n')
    .concat('\n');
}

/** Renders a comparison as Markdown, for a pull request. */
export function renderComparisonMarkdown(comparison: Comparison): string {
  const signs = {better: '🟢', worse: '🔴', same: '⚪', 'cannot-tell': '🟡'};
  const rows = rowsOf(comparison, '–').map(({cells, verdict, why}) =>
    [...cells, `${signs[verdict]} ${WORDS[verdict]}: ${why}`].map(escape),
  );
  const header = ['', 'n', 'A', 'B', 'B/A', '95 % interval', 'verdict'];
  const table = [header, ['---', '---:', '---:', '---:', '---:', '---:', '---'], ...rows].map(
    (cells) => `| ${cells.join(' | ')} |`,
  );
  const remarks = [
    ...comparison.caveats.map((caveat) => `⚠️ ${caveat}`),
    ...comparison.groups.flatMap(effectOf),
    ...comparison.failures.filter(({a, b}) => a.count + b.count > 0).map(describeFailures),
    ...comparison.differences,
    ...titles(comparison),
    footOf(comparison),
  ].map((remark) => `- ${escape(remark)}`);
  return [
    `### ${signs[comparison.verdict]} B against A: ${WORDS[comparison.verdict]}`,
    '',
    ...(rows.length > 0 ? [...table, ''] : []),
    ...remarks,
    '',
  ].join('\n');
}

function titles({a, b}: Comparison): string[] {
  return (
    [
      ['A', a],
      ['B', b],
    ] as const
  ).map(([name, report]) => {
    const when = `${report.startedAt.slice(0, 16).replace('T', ' ')} UTC`;
    return `${name}: ${[report.function ?? report.targets.map(({url}) => url).join(', '), `thaw ${report.thaw}`, when].join(', ')}`;
  });
}

interface Row {
  /** Label, n, A, B, B/A, interval. */
  readonly cells: readonly string[];
  readonly verdict: Verdict;
  readonly why: string;
}

function rowsOf({groups}: Comparison, dash: string): readonly Row[] {
  return groups.flatMap((group) =>
    group.changes.map((change) => ({
      cells: [
        `${nameOf(group)} ${change.quantile}`,
        `${group.n.a}/${group.n.b}`,
        change.aMs === null ? '' : formatMs(change.aMs),
        change.bMs === null ? '' : formatMs(change.bMs),
        change.ratio === null ? '' : change.ratio.toFixed(2),
        intervalOf(change, dash),
      ],
      verdict: change.verdict,
      why: change.why,
    })),
  );
}

function intervalOf({ratioInterval}: QuantileChange, dash: string): string {
  return ratioInterval === null ? '' : `${ratioInterval[0].toFixed(2)}${dash}${ratioInterval[1].toFixed(2)}`;
}

function nameOf({
  provider,
  group,
  perSecond,
}: Pick<GroupComparison, 'provider' | 'group' | 'perSecond'>): string {
  return perSecond === null ? `${provider} ${group}` : `${provider} load ${perSecond}/s`;
}

/** A table where it fits, else one paragraph for each row. */
function renderRows(
  comparison: Comparison,
  {width, unicode, paint}: BudgetScreen & Pick<Screen, 'width'>,
  colourOf: (verdict: Verdict) => (text: string) => string,
): string[] {
  const dash = unicode ? '–' : '-';
  const rows = rowsOf(comparison, dash);
  if (rows.length === 0) return [];
  const header = ['', 'n', 'A', 'B', 'B/A', '95 %'];
  const widths = header.map((title, i) =>
    Math.max(title.length, ...rows.map(({cells}) => cells[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ');
  const table = [
    paint.dim(line(header)),
    ...rows.map(({cells, verdict}) => `${line(cells)}  ${colourOf(verdict)(WORDS[verdict])}`),
  ];
  if (table.every((text) => stripVTControlCharacters(text).length <= width)) {
    // What was found the figures show; why nothing was found they do not.
    const open = rows.filter(({verdict}) => verdict === 'cannot-tell');
    return [...table, ...open.map(({cells: [label = ''], why}) => paint.dim(`${label}: ${why}`))];
  }
  return rows.flatMap(
    ({cells: [label = '', n = '', a = '', b = '', ratio = '', interval = ''], verdict, why}) => [
      paint.bold(label),
      ...(a === '' || b === '' ? [] : [`  A ${a}, B ${b} (n ${n})`]),
      ...(ratio === '' ? [] : [`  B/A ${ratio}${interval === '' ? '' : ` (${interval})`}`]),
      `  ${colourOf(verdict)(WORDS[verdict])}: ${why}`,
    ],
  );
}

function effectOf(group: GroupComparison): string[] {
  const {superiority, pValue, unit} = group;
  if (superiority === null || pValue === null) return [];
  const p = pValue < 0.001 ? 'p < 0.001' : `p = ${pValue.toFixed(3)}`;
  const what = unit === 'requests' ? 'requests' : 'stretches of the load';
  return [
    `${nameOf(group)}: of two ${what}, one from each, B’s took longer in ${(superiority * 100).toFixed(0)} % (Mann–Whitney ${p}).`,
  ];
}

function describeFailures({provider, of, perSecond, a, b, verdict}: FailureChange): string {
  const name = of === 'shots' ? provider : nameOf({provider, group: 'load', perSecond});
  const outcome = verdict === 'cannot-tell' ? 'which may be chance' : `which is ${WORDS[verdict]}`;
  return `${name}: without a good answer in A ${a.count} of ${a.of}, in B ${b.count} of ${b.of}, ${outcome}.`;
}

const footOf = ({smallest}: Comparison): string =>
  `A difference of less than ${Number((smallest * 100).toPrecision(3))} % is taken for none. ` +
  'The intervals cover the chance within the two runs, not what changed around them in between.';

/** Keeps text from ending a cell, starting markup, or breaking the line. */
function escape(text: string): string {
  return text.replaceAll(/[\\`*_[\]<>|]/g, String.raw`\$&`).replaceAll(/\s+/g, ' ');
}
