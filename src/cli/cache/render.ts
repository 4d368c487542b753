import {formatBytes} from '../../core/units.ts';
import {renderTable} from '../table.ts';
import type {Paint} from '../terminal.ts';
import type {Holding} from './prune.ts';

/** Items as a table, with what they take in all. */
export function renderHoldings(holdings: readonly Holding[], nowMs: number, paint: Paint): string {
  const rows = holdings.map(({item, heldBy}) => [
    item.name,
    item.kind,
    formatBytes(item.bytes),
    formatAge(nowMs - item.lastUsedMs),
    heldBy ?? '',
  ]);
  const bytes = holdings.reduce((sum, {item}) => sum + item.bytes, 0);
  const total = ['in all', '', formatBytes(bytes), '', ''];
  return renderTable(['', '', 'size', 'last used', 'in use by'], [...rows, total], paint);
}

/** How long ago something was, for people: in the largest unit that fits. */
export function formatAge(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ago` : `${Math.floor(hours / 24)} days ago`;
}
