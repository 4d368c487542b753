// Many requests at once where there is no instance: each is held by its instance until all are there, so that each
// needs one of its own.
import {median, ms} from './figures.mjs';
import {askGateway, layInstance, post, startGateway} from './place.mjs';

/** Says when it got its request, and answers it when it is told to. */
export const HOLDING_HANDLER = `export async function predict({untilMs = 0}) {
  const gotMs = Date.now();
  while (Date.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, 20));
  return {gotMs};
}
`;

/** @param holdMs longer than all the instances take to start */
export async function askAtOnce({port, socket}, count, holdMs) {
  await askGateway(socket, 'DELETE', '/function/instances');
  const body = JSON.stringify({untilMs: Date.now() + holdMs});
  const asked = await Promise.allSettled(Array.from({length: count}, () => post({port}, body)));
  const answers = asked.flatMap(({value}) => (value?.status === 200 ? [value] : []));
  const instances = new Set(answers.map(({headers}) => headers['thaw-boot'])).size;
  const cold = answers.filter(
    ({headers, totalMs}) => headers['thaw-ordinal'] === '1' && Number(headers['thaw-boot-age']) <= totalMs,
  ).length;
  const waits = answers.map(({text, sentAt}) => JSON.parse(text).gotMs - sentAt);
  await askGateway(socket, 'DELETE', '/function/instances');
  return {count, answered: answers.length, instances, cold, waits};
}

export async function burstProcesses(place, {count}) {
  const instanceDir = await layInstance(place, 'holding', HOLDING_HANDLER);
  const gateway = await startGateway(place, instanceDir, 'burst', {concurrency: 1, maxInstances: count});
  return askAtOnce(gateway, count, Math.max(10_000, count * 300));
}

export const BURST_HEAD = ['at once on', 'sent', 'answered', 'instances', 'proved cold', 'p50 ms', 'last ms'];

export function burstRow(where, {count, answered, instances, cold, waits}) {
  const last = waits.length === 0 ? NaN : Math.max(...waits);
  return [where, count, answered, instances, cold, ms(median(waits) ?? NaN, 0), ms(last, 0)];
}

export function checkBurst(where, {count, answered, cold}, goals) {
  const text = `${count} cold starts at once on ${where} are all answered`;
  goals.check(text, answered === count && cold === count, `${answered} answered, ${cold} proved cold`);
}
