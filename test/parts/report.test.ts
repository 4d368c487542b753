import {existsSync} from 'node:fs';
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {chromium, type Browser, type Page} from 'playwright-core';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {Report} from '../../src/core/report.ts';
import {renderHtml} from '../../src/report/html/render.ts';
import {provider, report} from '../unit/report/fixture.ts';
import {latency, load, measured, run, stage} from '../unit/report/run.ts';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);
if (CHROMIUM === undefined) console.log('skipped: the look of a report needs chromium');

/** Where the pictures go for a person to look at; nowhere unless asked for. */
const PICTURES = process.env['THAW_PICTURES'];

const long = 'a-name-that-is-as-long-as-names-of-endpoints-come-in-some-places.example.com/with/a/path';
const reports: {readonly [name: string]: Report} = {
  one: run(measured({load: load()})),
  two: {
    ...run(
      measured({
        load: load({
          shape: {kind: 'steps', perSecond: [50, 100, 200], durationMs: 6000},
          kneePerSecond: 100,
          stages: [50, 100, 200].map((perSecond) =>
            stage({
              perSecond,
              durationMs: 6000,
              due: perSecond * 6,
              latency: latency({p999Ms: null}),
              service: latency({p999Ms: null}),
            }),
          ),
        }),
        missed: [{want: 'cold', got: 'prewarmed', count: 2}],
        failed: [{want: 'any', error: `timeout: no answer within 30000 ms from https://${long}`, count: 12}],
      }),
      measured({provider: long, url: `https://${long}`, coldMs: 640, warmMs: 21}),
    ),
    interrupted: true,
  },
  bare: report(provider()),
};

interface Seen {
  readonly page: Page;
  /** Whatever the console said, and whatever was asked for beside the file itself. */
  readonly complaints: string[];
}

describe.skipIf(CHROMIUM === undefined)('a report in Chromium', () => {
  let browser: Browser;
  let folder: string;

  beforeAll(async () => {
    browser = await chromium.launch({executablePath: CHROMIUM ?? '', args: ['--no-sandbox']});
    folder = await mkdtemp(join(tmpdir(), 'thaw-report-'));
    if (PICTURES !== undefined) await mkdir(PICTURES, {recursive: true});
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, {recursive: true, force: true});
  });

  async function open(name: string, width: number, colorScheme: 'light' | 'dark'): Promise<Seen> {
    const file = join(folder, `${name}.html`);
    await writeFile(file, renderHtml(reports[name] ?? report()));
    const context = await browser.newContext({
      viewport: {width, height: 900},
      colorScheme,
      javaScriptEnabled: true,
    });
    const page = await context.newPage();
    const url = pathToFileURL(file).href;
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(`console: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
    page.on('request', (request) => {
      if (request.url() !== url && request.url() !== 'data:,') complaints.push(`asked for ${request.url()}`);
    });
    await page.goto(url);
    await page.locator('details').evaluateAll((all) => {
      for (const one of all) one.setAttribute('open', '');
    });
    if (PICTURES !== undefined) {
      await page.screenshot({path: join(PICTURES, `${name}-${width}-${colorScheme}.png`), fullPage: true});
    }
    return {page, complaints};
  }

  const looks = Object.keys(reports).flatMap((name) =>
    [1280, 390, 320].flatMap((width) =>
      (['light', 'dark'] as const).map((scheme) => [name, width, scheme] as const),
    ),
  );

  test.each(looks)('%s at %i px, %s: quiet, whole, nothing beyond the edge', async (name, width, scheme) => {
    const {page, complaints} = await open(name, width, scheme);
    expect(complaints).toEqual([]);

    const beyond = await page.evaluate(
      `document.documentElement.scrollWidth - document.documentElement.clientWidth`,
    );
    expect(beyond).toBe(0);
    // What stands beyond the edge unseen, other than in a box that scrolls.
    const outside = await page.evaluate(`[...document.querySelectorAll('body *')]
      .filter((element) => !element.closest('.scroll') && !element.closest('pre'))
      .map((element) => ({element, box: element.getBoundingClientRect()}))
      .filter(({box}) => box.width > 0 && (box.right > innerWidth + 0.5 || box.left < -0.5))
      .map(({element}) => element.outerHTML.slice(0, 120))`);
    expect(outside).toEqual([]);

    const charts = (await page.evaluate(`[...document.querySelectorAll('svg')].map((svg) => {
      const {width, height} = svg.getBoundingClientRect();
      return {id: svg.getAttribute('aria-labelledby') ?? svg.getAttribute('class'), width, height};
    })`)) as {width: number; height: number}[];
    expect(charts.length).toBeGreaterThan(0);
    expect(charts.filter((chart) => chart.width < 10 || chart.height < 5)).toEqual([]);

    const ground = await page.evaluate(`getComputedStyle(document.body).backgroundColor`);
    expect(ground).toBe(scheme === 'dark' ? 'rgb(20, 23, 27)' : 'rgb(255, 255, 255)');
    await page.context().close();
  });

  test('labels of charts do not lie on one another', async () => {
    for (const width of [1280, 390]) {
      const {page} = await open('one', width, 'light');
      const overlaps = await page.evaluate(`[...document.querySelectorAll('svg.chart')].flatMap((svg) => {
        const texts = [...svg.querySelectorAll('text')]
          .map((text) => ({text: text.textContent, box: text.getBoundingClientRect()}))
          .filter(({box}) => box.width > 0);
        return texts.flatMap((a, i) => texts.slice(i + 1)
          .filter((b) => a.box.left < b.box.right - 1 && b.box.left < a.box.right - 1 &&
            a.box.top < b.box.bottom - 3 && b.box.top < a.box.bottom - 3)
          .map((b) => svg.getAttribute('aria-labelledby') + ': ' + a.text + ' on ' + b.text));
      })`);
      expect(overlaps, `at ${width} px`).toEqual([]);
      await page.context().close();
    }
  });

  test('reads the same without script, and on paper shows what was folded away', async () => {
    const {page} = await open('one', 1280, 'dark');
    expect(await page.evaluate('document.scripts.length')).toBe(0);
    await page.emulateMedia({media: 'print'});
    expect(await page.evaluate(`getComputedStyle(document.body).backgroundColor`)).toBe('rgb(255, 255, 255)');
    await page.context().close();
  });

  test('is taken apart by assistive technology as it was put together', async () => {
    const {page} = await open('one', 1280, 'light');
    expect(await page.getByRole('banner').count()).toBe(1);
    expect(await page.getByRole('main').count()).toBe(1);
    expect(await page.getByRole('contentinfo').count()).toBe(1);
    expect(await page.getByRole('heading', {level: 1}).count()).toBe(1);
    expect(await page.getByRole('img').count()).toBeGreaterThanOrEqual(6);
    expect(await page.getByRole('img', {name: 'How long every request to local took'}).count()).toBe(1);
    expect(await page.getByRole('rowheader', {name: 'cold'}).count()).toBeGreaterThan(0);
    await page.context().close();
  });
});
