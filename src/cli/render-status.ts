import type {Status} from '../core/deployment.ts';
import {shortDigest} from '../core/digest.ts';
import type {Paint} from './terminal.ts';

const STATE_PAINT = {absent: 'dim', pending: 'warn', ready: 'good', failed: 'bad'} as const;

/** A deployment's status as a few lines for a terminal. */
export function renderStatus(status: Status, paint: Paint): string {
  const state = paint[STATE_PAINT[status.state]](status.state);
  const rows: [string, string][] = [];
  if (status.problem) rows.push(['problem', status.problem]);
  if (status.deployment) {
    rows.push(['url', status.deployment.url]);
    rows.push(['image', shortDigest(status.deployment.image)]);
    rows.push(['version', status.deployment.version]);
  }
  if (status.instances) rows.push(['instances', renderInstances(status)]);
  for (const [name, value] of Object.entries(status.facts)) {
    rows.push([name, typeof value === 'string' ? value : JSON.stringify(value)]);
  }
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return [
    `${paint.bold(status.function)} on ${status.provider}: ${state}`,
    ...rows.map(([name, value]) => `  ${paint.dim(name.padEnd(width))}  ${value}`),
  ].join('\n');
}

function renderInstances({instances, warmMin}: Status): string {
  const counts = new Map<string, number>();
  for (const {state} of instances ?? []) counts.set(state, (counts.get(state) ?? 0) + 1);
  const running = [...counts].map(([state, count]) => `${count} ${state}`).join(', ') || 'none';
  return warmMin > 0 ? `${running} (${warmMin} kept ready)` : running;
}
