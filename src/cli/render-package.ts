import type {Image} from '../core/image.ts';
import {sameJson} from '../core/json.ts';
import type {CandidateTimes, Drift, Verdict} from '../core/model.ts';
import {formatBytes, formatMs} from '../core/units.ts';
import {describeShape} from '../model/choose-shape.ts';
import {renderTable} from './table.ts';
import type {Paint} from './terminal.ts';

/** What was measured of each form of the model, which one is served, and how it is loaded. */
export function renderVerdict(verdict: Verdict, paint: Paint): string {
  const {candidates, untried, shapings, shapeWhy, warnings} = verdict;
  const failures = candidates.flatMap(({mode, failure}) =>
    failure === null ? [] : [paint.dim(`  no ${mode}: ${failure}`)],
  );
  return [
    renderCandidates(verdict, paint),
    ...failures,
    ...groupByWhy(untried)
      .filter(([, why]) => !verdict.why.includes(why))
      .map(([modes, why]) => paint.dim(`  not tried: ${modes.join(', ')}: ${why}`)),
    ...(shapings.length > 0 ? [renderShapings(verdict, paint), `  ${shapeWhy}`] : []),
    ...warnings.map((warning) => paint.warn(`  ${warning}`)),
  ].join('\n');
}

function renderCandidates({candidates, chosen}: Verdict, paint: Paint): string {
  const judged = candidates.some(({drift}) => drift.length > 0);
  const labelled = candidates.some(({accuracy}) => accuracy !== null);
  const rows = candidates
    .filter(({failure}) => failure === null)
    .map(({mode, bytes, times, drift, accuracy, accepted, keptFloat}) => [
      (mode === 'none' ? 'original' : mode) + (keptFloat.length > 0 ? ', mixed' : ''),
      formatBytes(bytes),
      ...renderTimes(times),
      ...(judged ? [worstCosine(drift)] : []),
      ...(labelled ? [accuracy === null ? '' : `${(100 * accuracy).toFixed(1)} %`] : []),
      mode === chosen ? paint.good('chosen') : accepted === false ? paint.warn('outside accept') : '',
    ]);
  const head = ['', 'size', ...TIMES, ...(judged ? ['cosine'] : []), ...(labelled ? ['accuracy'] : []), ''];
  return renderTable(head, rows, paint);
}

const worstCosine = (drift: readonly Drift[]): string =>
  drift.length === 0 ? '' : Math.min(...drift.map(({cosine}) => cosine)).toFixed(6);

function renderShapings({shapings, shape}: Verdict, paint: Paint): string {
  const rows = shapings.map((shaping) => [
    describeShape(shaping.shape),
    shaping.failure === null ? formatBytes(shaping.bytes) : '',
    ...renderTimes(shaping.times),
    sameJson(shaping.shape, shape) ? paint.good('chosen') : paint.dim(shaping.failure ?? ''),
  ]);
  return renderTable(['loaded', 'size', ...TIMES, ''], rows, paint);
}

const TIMES = ['load', 'first', 'warm', 'memory'];

const renderTimes = (times: CandidateTimes | null): string[] =>
  times === null
    ? TIMES.map(() => '')
    : [
        ...[times.loadMs, times.firstMs, times.warmMs].map((ms) => formatMs(ms)),
        formatBytes(times.rssMb * 2 ** 20),
      ];

/** Modes that were left out for the same reason, together. */
function groupByWhy(untried: Verdict['untried']): [readonly string[], string][] {
  const modes = new Map<string, string[]>();
  for (const {mode, why} of untried) modes.set(why, [...(modes.get(why) ?? []), mode]);
  return [...modes].map(([why, of]) => [of, why]);
}

/** What an image consists of. */
export function renderImage(image: Image, paint: Paint): string {
  const total = image.layers.reduce((sum, layer) => sum + layer.bytes, 0);
  const unpacked = image.layers.reduce((sum, layer) => sum + layer.unpackedBytes, 0);
  const rows = [
    ...image.layers.map(({role, bytes, unpackedBytes}) => [
      role,
      formatBytes(bytes),
      formatBytes(unpackedBytes),
    ]),
    ['in all', formatBytes(total), formatBytes(unpacked)],
  ];
  return renderTable(['layer', 'compressed', 'unpacked'], rows, paint);
}
