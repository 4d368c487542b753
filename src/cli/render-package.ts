import type {Image} from '../core/image.ts';
import type {Verdict} from '../core/model.ts';
import {formatBytes, formatMs} from '../core/units.ts';
import {renderTable} from './table.ts';
import type {Paint} from './terminal.ts';

/** What was measured of each form of the model, and which one is served. */
export function renderVerdict(verdict: Verdict, paint: Paint): string {
  const measured = verdict.candidates.filter(({times}) => times !== null);
  const rows = measured.map(({mode, bytes, times, drift, accepted}) => [
    mode === 'none' ? 'original' : mode,
    formatBytes(bytes),
    ...[times?.loadMs, times?.firstMs, times?.warmMs].map((ms) => formatMs(ms ?? NaN)),
    drift.length === 0 ? '' : Math.min(...drift.map((output) => output.cosine)).toFixed(6),
    mode === verdict.chosen ? paint.good('served') : accepted === false ? paint.warn('outside accept') : '',
  ]);
  const failures = verdict.candidates
    .filter(({failure}) => failure !== null)
    .map(({mode, failure}) => paint.dim(`  no ${mode}: ${failure}`));
  const table = renderTable(['', 'size', 'load', 'first', 'warm', 'cosine', ''], rows, paint);
  return [table, ...failures].join('\n');
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
