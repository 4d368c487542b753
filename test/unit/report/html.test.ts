import {describe, expect, test} from 'vitest';
import type {ProviderReport, Report} from '../../../src/core/report.ts';
import {formatMs} from '../../../src/core/units.ts';
import {renderHtml} from '../../../src/report/html/render.ts';
import {STYLE} from '../../../src/report/html/style.ts';
import {provider, report, summary} from './fixture.ts';
import {load, measured, run, stage, timesAbout, summaryOf} from './run.ts';

const rich = run(
  measured({
    load: load(),
    missed: [{want: 'cold', got: 'prewarmed', count: 2}],
    failed: [{want: 'any', error: 'HTTP 503', count: 12}],
  }),
  measured({provider: 'elsewhere', coldMs: 640, warmMs: 21}),
);

const textOf = (markup: string): string =>
  markup
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')
    .replaceAll(/\s+/g, ' ')
    .trim();

const cellsOf = (page: string): string[] =>
  [...page.matchAll(/<td[^>]*>(.*?)<\/td>/gs)]
    .map(([, cell = '']) => textOf(cell))
    .filter((cell) => cell !== '');

const headlineOf = (page: string): string => textOf(/<h1>(.*?)<\/h1>/s.exec(page)?.[1] ?? '');

describe('every figure of the tables is in the report as JSON', () => {
  /** All ways in which the page may write a number of the report. */
  function formsOf(value: unknown, forms = new Set<string>()): Set<string> {
    if (typeof value === 'number') {
      forms.add(formatMs(value).replace('-', '−'));
      forms.add(String(value).replaceAll(/\B(?=(?:\d{3})+$)/g, ','));
    } else if (typeof value === 'object' && value !== null) {
      for (const member of Object.values(value)) formsOf(member, forms);
    }
    return forms;
  }

  /** A cell is a figure, and under it perhaps its bounds; a range says a unit that both ends share once. */
  function isKnown(cell: string, forms: ReadonlySet<string>): boolean {
    const spelled = cell
      .replace(/^n<\d+ ?/, '')
      .replaceAll('≥ ', '')
      .replaceAll(/([\d.]+)–([\d.]+) (m?s)/g, '$1 $3 $2 $3')
      .replaceAll('–', ' ');
    const figures = spelled.match(/−?[\d.,]+(?: m?s)?/g) ?? [];
    return figures.every((figure) => forms.has(figure));
  }

  test('in cells of counts, of times and of bounds', () => {
    const forms = formsOf(JSON.parse(JSON.stringify(rich)));
    const numeric = cellsOf(renderHtml(rich)).filter((cell) => /\d/.test(cell) && !/HTTP/.test(cell));
    expect(numeric.length).toBeGreaterThan(300);
    expect(numeric.filter((cell) => !isKnown(cell, forms))).toEqual([]);
  });

  test('and a figure that is not would be found', () => {
    expect(isKnown('94.7 ms 87.7–100 ms', new Set(['94.7 ms', '87.7 ms', '100 ms']))).toBe(true);
    expect(isKnown('94.8 ms 87.7–100 ms', new Set(['94.7 ms', '87.7 ms', '100 ms']))).toBe(false);
    expect(isKnown('789 ms–1.07 s', new Set(['789 ms', '1.08 s']))).toBe(false);
    expect(isKnown('3,951', new Set(['3,950']))).toBe(false);
  });
});

describe('the page needs nothing else', () => {
  const page = renderHtml(rich);

  test('no script, no address that a browser would fetch, and a policy that forbids both', () => {
    expect(page).not.toMatch(/<script|<img|<iframe|<object|@import|javascript:/i);
    expect(page).not.toMatch(/url\((?!#)/);
    expect([...page.matchAll(/\s(?:src|href)="([^"]*)"/g)].map(([, target]) => target)).toEqual(['data:,']);
    const [, policy = ''] = /Content-Security-Policy"\s+content="([^"]*)"/.exec(page) ?? [];
    expect(textOf(policy)).toBe("default-src 'none'; style-src 'unsafe-inline'; img-src data:");
  });

  test('equal reports give equal pages', () => {
    expect(renderHtml(structuredClone(rich))).toBe(page);
  });

  test('every chart says what it shows, under names that no other has', () => {
    const charts = [...page.matchAll(/<svg[^>]*role="img"[^>]*aria-labelledby="(\S+) (\S+)"/g)];
    expect(charts.length).toBeGreaterThanOrEqual(8);
    const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, title, description] of charts) {
      expect(page).toMatch(new RegExp(`<title id="${title}">\\s*\\S`));
      expect(page).toMatch(new RegExp(`<desc id="${description}">\\s*\\S`));
    }
    // The rest is beside text that says the same.
    const others = [...page.matchAll(/<svg(?![^>]*role="img")[^>]*>/g)].map(([tag]) => tag);
    const silent = others.filter((tag) => !tag.includes('aria-hidden') && !tag.includes('viewBox'));
    for (const tag of silent) expect(page).toMatch(new RegExp(`aria-hidden="true"[^]*${tag}`));
  });

  test('headers, landmarks and one heading of the first order are there', () => {
    expect(page).toMatch(/<html lang="en">/);
    for (const landmark of ['header', 'main', 'footer']) expect(page.split(`<${landmark}>`)).toHaveLength(2);
    expect(page.match(/<h1>/g)).toHaveLength(1);
    for (const table of page.match(/<table.*?<\/table>/gs) ?? []) {
      expect(table).toMatch(/<th scope="col"/);
      expect(table).toMatch(/<th scope="row"/);
    }
  });
});

describe('the headline', () => {
  const of = (change: Partial<ProviderReport>): string => headlineOf(renderHtml(report(provider(change))));
  const none = summary({n: 0, p50Ms: null});

  test('says what a cold start costs', () => {
    expect(of({})).toBe('Cold p50 212 ms, warm p50 1.84 ms: a cold start costs 115 times a warm request');
  });

  test('says what is not known', () => {
    expect(of({cold: none, warm: none, unknown: summary()})).toBe(
      'P50 212 ms; which requests were cold is not known',
    );
    expect(of({cold: summary({n: 3, p50Ms: null}), warm: none})).toBe(
      '3 cold, 0 warm: a median takes 5 requests',
    );
  });

  test('speaks of a load where there is nothing else', () => {
    expect(of({cold: none, warm: none, load: load()})).toBe(
      'Under load (200 per second for 20s): p50 0.94 ms, p99 61.4 ms, 4,000 requests due, 12 failed, 38 dropped',
    );
  });
});

describe('every request is in the picture', () => {
  const dotsOf = (page: string): number => page.match(/<circle/g)?.length ?? 0;
  const of = (times: readonly number[]): string => {
    const cold = summaryOf(times);
    const warm = summary({n: 0, minMs: null, maxMs: null, p50Ms: null, p95Ms: null});
    return renderHtml(run(provider({cold, warm, times: {cold: times, warm: [], unknown: []}})));
  };

  test('as a dot of its own where there is room', () => {
    const page = of(timesAbout(80, 400, 3));
    expect(dotsOf(page)).toBe(400);
    expect(page).toContain('Each dot is one request; none is left out.');
  });

  test('in a dot with others where there is not, and far ones always alone', () => {
    const many = timesAbout(80, 50_000, 3).map((ms) => Math.min(ms, 200));
    const page = of(many);
    expect(dotsOf(page)).toBeLessThan(1700);
    expect(textOf(page)).toContain('a dot stands for up to 34 of them');
    const places = [...of([...many, 5000]).matchAll(/<circle[^>]*cx="([\d.]+)%"/g)].map(([, x]) => Number(x));
    const [before, last] = places.slice(-2);
    expect((last ?? 0) - (before ?? 0)).toBeGreaterThan(20);
  });

  test('and where the report has no single times, it says so', () => {
    const page = renderHtml(report(provider()));
    expect(dotsOf(page)).toBe(0);
    expect(textOf(page)).toContain('The report has no single times');
  });
});

test('what a few requests cannot carry is not said', () => {
  const few = summary({n: 40, p95Ms: null, p99Ms: null, intervals: {p95: [190, null], p99: [195, null]}});
  const cells = cellsOf(renderHtml(report(provider({cold: few}))));
  expect(cells).toContain('n<59 ≥ 190 ms');
  expect(cells).toContain('n<299 ≥ 195 ms');
});

test('what runs is named with its size', () => {
  const archive = {bytes: 19_800_000, unpackedBytes: 52_100_000};
  const image = provider({imageBytes: 498_000_000});
  const page = renderHtml({...report(image), providers: [image, provider({provider: 'zipped', archive})]});
  expect(page).toContain('<br />image 498 MB');
  expect(page).toContain('<br />zip 19.8 MB, 52.1 MB unpacked');
});

test('notes, misses, failures, an interrupt and all that is needed to repeat it are said', () => {
  const page = textOf(renderHtml({...rich, interrupted: true}));
  for (const said of [
    'Interrupted: this is what was measured until then.',
    'local: process engine: this machine, not the image',
    'came out prewarmed',
    'failed: HTTP 503',
    'thaw benchmark local elsewhere --data @samples/request.json --cold 60 --warm 500 --rate 200 --duration 20s',
    'AMD EPYC',
    '24106',
    `sha256:${'2'.repeat(64)}`,
    'thaw.report/1',
    '/home/you/credit-scoring/.thaw/benchmarks/2026-11-24T10-03-11-123Z.ndjson',
  ]) {
    expect(page).toContain(said);
  }
});

test('a load without evidence says so instead of drawing nothing', () => {
  const blind = load({
    stages: [stage({instances: null})],
    timeline: load().timeline.map((bucket) => ({...bucket, instances: null, cold: 0})),
  });
  const page = renderHtml(run(measured({load: blind})));
  expect(textOf(page)).toContain('is not known: the answers carry no evidence');
  expect(page).not.toContain('Instances that answered');
});

describe('whatever others named stays text', () => {
  const hostile = `"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\u0000\u202e\ud800</style></svg>]]>`;
  const bad = measured({
    provider: hostile,
    url: `javascript:${hostile}`,
    notes: [hostile],
    failed: [{want: 'warm', error: hostile, count: 1}],
    load: load(),
    cold: summaryOf(timesAbout(80, 60, 2), {
      phases: {[hostile]: 4, boot: 10, constructor: 3, ['__proto__x']: 1, residual: -2},
    }),
  });
  const plain = run(bad, {...bad, provider: `${hostile}2`});
  const page = renderHtml({
    ...plain,
    thaw: hostile,
    function: hostile,
    startedAt: hostile,
    machine: {[hostile]: hostile, constructor: {toString: hostile}},
    samples: hostile,
    request: {
      ...plain.request,
      method: hostile,
      headers: [hostile],
      bodies: [{digest: `sha256:${hostile}`, bytes: 1, source: hostile}],
    },
  } satisfies Report);

  test('and opens no element, closes no attribute', () => {
    expect(page).not.toMatch(/<script|<img|onerror=alert\(1\)>(?!&)[^&]/i);
    const tags = new Set([...page.matchAll(/<([a-z0-9]+)/gi)].map(([, tag]) => tag?.toLowerCase()));
    expect([...tags].filter((tag) => tag === 'script' || tag === 'img' || tag === 'iframe')).toEqual([]);
    expect(page.match(/<\/style>/g)).toHaveLength(1);
    const opened = page.match(/<svg/g)?.length;
    expect(page.match(/<\/svg\s*>/g)).toHaveLength(opened ?? 0);
    const attributes = [...page.matchAll(/<[a-z0-9]+((?:\s+[a-z0-9-]+="[^"<>]*")*)\s*\/?>/gi)];
    const all = [...page.matchAll(/<[a-z][^>]*>/gi)];
    // Every tag is made of whole attributes alone.
    expect(attributes.length).toBe(all.length);
  });

  test('and no character turns around, or ends, what is read', () => {
    expect(page).not.toMatch(/[\u0000\u202e]/); // eslint-disable-line no-control-regex
    expect(page).not.toMatch(/\p{Surrogate}/u);
  });
});

test.each<[string, Report]>([
  ['nothing', report()],
  [
    'a provider without a single answer',
    run(
      provider({
        cold: summary({
          n: 0,
          failures: 60,
          minMs: null,
          maxMs: null,
          meanMs: null,
          p50Ms: null,
          p90Ms: null,
          p95Ms: null,
          intervals: {},
        }),
        warm: summary({
          n: 0,
          minMs: null,
          maxMs: null,
          meanMs: null,
          p50Ms: null,
          p90Ms: null,
          p95Ms: null,
          intervals: {},
        }),
        times: {cold: [], warm: [], unknown: []},
      }),
    ),
  ],
  ['one answer', run(measured({colds: 1, warms: 0}))],
  ['times of zero', run(measured({coldMs: 0, warmMs: 0}))],
  ['a load of nothing', run(measured({load: load({stages: [], timeline: [], histogram: ''})}))],
])('%s renders too', (_, strange) => {
  const page = renderHtml(strange);
  expect(page).not.toMatch(/NaN|undefined|Infinity|\[object/);
});

describe('text has a contrast of 4.5 or more', () => {
  const [light, dark] = [
    STYLE.slice(0, STYLE.indexOf('@media')),
    STYLE.slice(STYLE.indexOf('@media (prefers'), STYLE.indexOf('}}')),
  ].map((part) =>
    Object.fromEntries(
      [...part.matchAll(/--([a-z-]+):(#[0-9a-f]{3,6})/g)].map(([, name, value]) => [name, value]),
    ),
  ) as [{[name: string]: string}, {[name: string]: string}];

  const luminance = (color: string): number => {
    const digits = color.length === 4 ? color.slice(1).replaceAll(/./g, '$&$&') : color.slice(1);
    const [r, g, b] = (digits.match(/../g) ?? []).map((pair) => {
      const part = Number.parseInt(pair, 16) / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);
  };
  const contrast = (a = '', b = ''): number => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return ((high ?? 0) + 0.05) / ((low ?? 0) + 0.05);
  };

  test.each([
    ...['text', 'quiet', 'cold', 'warm', 'restored', 'unknown', 'load', 'bad'].map((name) => [name, 'page']),
    ['text', 'tint'],
    ['on-boot', 'boot'],
    ['on-import', 'import'],
    ['on-load', 'modelload'],
    ['on-calm', 'calm'],
    ['on-infer', 'infer'],
    ['on-response', 'response'],
    ['text', 'hatch'],
  ])('%s on %s', (text = '', ground = '') => {
    expect(contrast(light[text], light[ground])).toBeGreaterThanOrEqual(4.5);
    expect(contrast(dark[text], dark[ground])).toBeGreaterThanOrEqual(4.5);
  });
});

test('a load of which no answer was cold says so instead of drawing nothing', () => {
  const warm = load({timeline: load().timeline.map((bucket) => ({...bucket, cold: 0}))});
  const page = renderHtml(run(measured({load: warm})));
  expect(page).toContain('No answer of the load was cold.');
  expect(page).not.toContain('Cold share of the answers');
});
