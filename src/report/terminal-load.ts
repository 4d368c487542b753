import type {LoadBucket, LoadReport, LoadStage} from '../core/load.ts';
import type {ProviderReport} from '../core/report.ts';
import {formatDuration, formatMs} from '../core/units.ts';
import {formatMsRange} from './duration.ts';
import {describeKnee, describeLoad, formatColdShare, stageName} from './load-words.ts';
import type {Screen} from './screen.ts';

/** A load for a terminal: a row for each stage, the knee, and the course of the latency as one line. */
export function renderTerminalLoad({provider, load}: ProviderReport, screen: Screen): string[] {
  if (load === null) return [];
  const {paint} = screen;
  const knee = describeKnee(load);
  return [
    `${paint.bold(`Under load, ${provider}`)} ${paint.dim(`(${describeLoad(load.shape)}; from when each request was due)`)}`,
    ...renderStages(load, screen),
    ...renderSparkline(load, screen),
    ...(knee === null ? [] : [`${knee.charAt(0).toUpperCase()}${knee.slice(1)}.`]),
  ];
}

// Stages

interface Column {
  readonly title: string;
  readonly cell: (stage: LoadStage) => string;
  /** Goes where the table is wider than the screen; the later ones first. */
  readonly isExpendable?: boolean;
}

const COLUMNS: readonly Column[] = [
  {title: 'due', cell: ({due}) => String(due)},
  {title: 'dropped', cell: ({dropped}) => String(dropped)},
  {title: 'failed', cell: ({failed}) => String(failed), isExpendable: true},
  {title: 'p50', cell: ({latency}) => (latency.p50Ms === null ? 'n<5' : formatMs(latency.p50Ms))},
  {title: 'p99', cell: ({latency}) => (latency.p99Ms === null ? 'n<299' : formatMs(latency.p99Ms))},
  {
    title: 'max',
    cell: ({latency}) => (latency.maxMs === null ? '' : formatMs(latency.maxMs)),
    isExpendable: true,
  },
  {
    title: 'instances',
    cell: ({instances}) => (instances === null ? '' : String(instances)),
    isExpendable: true,
  },
  {title: 'cold', cell: formatColdShare, isExpendable: true},
];

function renderStages({stages}: LoadReport, {width, paint}: Screen): string[] {
  const labelWidth = Math.max(...stages.map((stage) => stageName(stage).length));
  const sized = COLUMNS.map((column) => ({
    ...column,
    width: Math.max(column.title.length, ...stages.map((stage) => column.cell(stage).length)),
  })).filter(({cell}) => stages.some((stage) => cell(stage) !== ''));
  const columns = fitting(sized, width - labelWidth);
  const line = (label: string, cells: readonly string[]): string =>
    label.padEnd(labelWidth) + cells.map((cell, i) => `  ${cell.padStart(columns[i]?.width ?? 0)}`).join('');
  const titles = columns.map(({title}) => title);
  return [
    paint.dim(line('', titles)),
    ...stages.map((stage) => {
      const cells = columns.map(({cell}) => cell(stage));
      const text = line(stageName(stage), cells);
      return stage.dropped + stage.failed > 0 ? paint.warn(text) : text;
    }),
  ];
}

function fitting<C extends Column & {readonly width: number}>(
  columns: readonly C[],
  width: number,
): readonly C[] {
  const needed = columns.reduce((sum, column) => sum + 2 + column.width, 0);
  const last = columns.findLast(({isExpendable}) => isExpendable);
  return needed <= width || last === undefined
    ? columns
    : fitting(
        columns.filter((column) => column !== last),
        width,
      );
}

// The course

const STEPS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const LETTERS = ['_', '.', '-', '~', '=', '+', '*', '#'];

/** The highest of some neighbouring stretches; null where none of them carries the quantile. */
const highest = (buckets: readonly LoadBucket[], key: 'p50Ms' | 'p99Ms'): number | null =>
  buckets.reduce<number | null>((most, {[key]: ms}) => (ms !== null && ms > (most ?? -1) ? ms : most), null);

function renderSparkline({timeline, bucketMs}: LoadReport, {width, unicode, paint}: Screen): string[] {
  const room = Math.max(8, Math.min(60, width - 2));
  const perCell = Math.ceil(timeline.length / room);
  // Short stretches of a slow load have too few requests for a p99: then the p50 tells more.
  const key = timeline.filter(({p99Ms}) => p99Ms !== null).length * 2 > timeline.length ? 'p99Ms' : 'p50Ms';
  const cells = Array.from({length: Math.ceil(timeline.length / perCell) || 0}, (_, i) =>
    highest(timeline.slice(i * perCell, (i + 1) * perCell), key),
  );
  const known = cells.filter((ms) => ms !== null);
  if (known.length < 2) return [];
  const [min, max] = [Math.min(...known), Math.max(...known)];
  const steps = unicode ? STEPS : LETTERS;
  // A short course is drawn wider, so that it still looks like one.
  const wide = Math.max(1, Math.min(4, Math.floor(room / cells.length)));
  const spark = cells
    .map((ms) => (ms === null ? ' ' : (steps[stepOf(ms, min, max, steps.length)] ?? '')).repeat(wide))
    .join('');
  const dash = unicode ? '–' : '-';
  const caption = `${key.replace('Ms', '')} over ${formatDuration(timeline.length * bucketMs)}, ${formatMsRange(min, max, dash)}, logarithmic`;
  return [paint.accent(spark), paint.dim(caption)];
}

function stepOf(ms: number, min: number, max: number, steps: number): number {
  if (max <= min || min <= 0) return 0;
  return Math.min(steps - 1, Math.floor((Math.log(ms / min) / Math.log(max / min)) * steps));
}
