import {rm} from 'node:fs/promises';
import {afterAll, afterEach, beforeAll, describe, expect, it} from 'vitest';
import {Metrics} from '../../../src/providers/local/gateway/metrics.ts';
import {bodyOf, eventually, makePackage, makeSite, type TestSite} from './site.ts';

let packageDir: string;
const sites: TestSite[] = [];
beforeAll(async () => {
  packageDir = await makePackage();
});
afterEach(async () => {
  await Promise.all(sites.splice(0).map((site) => site.cleanUp()));
});
afterAll(() => rm(packageDir, {recursive: true, force: true}));

async function newSite(): Promise<TestSite> {
  const site = await makeSite(packageDir);
  sites.push(site);
  return site;
}

/** The samples of a text in Prometheus's format, after it was held to that format line by line. */
function parse(text: string): {[sample: string]: number} {
  expect(text.endsWith('\n')).toBe(true);
  const samples: {[sample: string]: number} = {};
  let family = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const [, kind, name] = /^# (HELP|TYPE) ([a-z_]+) \S.*$/.exec(line) ?? [];
    if (kind === 'HELP') family = name as string;
    if (kind === 'TYPE') expect(line).toMatch(new RegExp(`^# TYPE ${family} (counter|gauge|histogram)$`));
    if (kind !== undefined) continue;
    const [, sample, value] = /^([a-z_]+(?:\{[a-z]+="[^"\\]*"\})?) (\S+)$/.exec(line) ?? [];
    expect(sample?.startsWith(family), line).toBe(true);
    expect(Number.isFinite(Number(value)), line).toBe(true);
    expect(samples).not.toHaveProperty([sample as string]);
    samples[sample as string] = Number(value);
  }
  return samples;
}

describe('the metrics', () => {
  it('put every value into the bucket it belongs to, and count upwards', () => {
    const metrics = new Metrics();
    for (const ms of [0.5, 1, 1.1, 700, 1_000_000]) metrics.countRequest(200, ms);
    metrics.countRequest(429, 0.1);
    metrics.countRefusal('QUEUE_FULL');
    const samples = parse(metrics.render({instances: [], queueLength: 7}));
    const bucket = (le: string): number | undefined =>
      samples[`thaw_request_duration_seconds_bucket{le="${le}"}`];
    expect([
      bucket('0.001'),
      bucket('0.0025'),
      bucket('0.5'),
      bucket('1'),
      bucket('60'),
      bucket('+Inf'),
    ]).toEqual([3, 4, 4, 5, 5, 6]);
    expect(samples['thaw_request_duration_seconds_count']).toBe(6);
    expect(samples['thaw_request_duration_seconds_sum']).toBeCloseTo(1000.7027, 6);
    expect(samples['thaw_requests_total{code="200"}']).toBe(5);
    expect(samples['thaw_requests_total{code="429"}']).toBe(1);
    expect(samples['thaw_refused_total{reason="queue_full"}']).toBe(1);
    expect(samples['thaw_queue_length']).toBe(7);
  });

  it('tell at /_thaw/metrics what the gateway does, and of nobody who asked for them', async () => {
    const site = await newSite();
    await site.deploy({maxInstances: 2});
    const {url} = (await site.view()).status.deployment ?? {url: ''};
    const read = async (): Promise<{[sample: string]: number}> => {
      const answer = await fetch(`${url}_thaw/metrics`);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
      return parse(await answer.text());
    };
    expect((await read())['thaw_instances{state="idle"}']).toBe(0);
    expect((await site.pids()).instances).toEqual([]);

    await site.post();
    await site.post();
    const busy = site.post({sleepMs: 30_000}).catch(() => null);
    await eventually('one is busy', async () => (await read())['thaw_instances{state="busy"}'] === 1);
    await site.post({exit: 3});
    await eventually('its end is counted', async () => {
      return (await read())['thaw_instance_exits_total{reason="unasked"}'] === 1;
    });
    const samples = await read();
    expect(samples).toMatchObject({
      'thaw_requests_total{code="200"}': 2,
      'thaw_requests_total{code="502"}': 1,
      'thaw_refused_total{reason="instance_died"}': 1,
      'thaw_boots_total{result="failed"}': 0,
      thaw_boot_duration_seconds_count: samples['thaw_boots_total{result="ready"}'],
      thaw_queue_length: 0,
    });
    expect(samples['thaw_boot_duration_seconds_sum']).toBeGreaterThan(0);
    await site.destroy();
    await busy;
  });

  it('stand alone below /_thaw/, where nothing reaches the function', async () => {
    const site = await newSite();
    await site.deploy();
    const {url} = (await site.view()).status.deployment ?? {url: ''};
    for (const path of ['_thaw', '_thaw/', '_thaw/other', '_thaw?x=1']) {
      const answer = await fetch(url + path, {method: 'POST', body: '{}'});
      expect(answer.status).toBe(404);
      expect(await answer.json()).toMatchObject({error: {code: 'UNKNOWN_ROUTE'}});
    }
    const post = await fetch(`${url}_thaw/metrics`, {method: 'POST', body: '{}'});
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    const head = await fetch(`${url}_thaw/metrics?x`, {method: 'HEAD'});
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect((await site.pids()).instances).toEqual([]);

    const near = await fetch(`${url}_thawed/metrics`, {method: 'POST', body: '{}'});
    expect(await near.json()).toMatchObject({url: '/_thawed/metrics'});
    expect(bodyOf(await site.post())['url']).toBe('/');
  });
});
