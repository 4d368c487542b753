import {expect, test} from 'vitest';
import type {Screen} from '../../../src/report/screen.ts';
import {renderTerminal} from '../../../src/report/terminal.ts';
import {provider, report, summary} from './fixture.ts';
import {load, stage} from './run.ts';

const asIs = (text: string): string => text;
const plain: Screen = {
  width: 100,
  unicode: true,
  paint: {bold: asIs, dim: asIs, good: asIs, warn: asIs, accent: asIs},
};

test('a report is a table, a bar and remarks', () => {
  expect(renderTerminal(report(provider({firstAfterDeployMs: 340})), plain)).toMatchInlineSnapshot(`
    "credit-scoring · thaw 0.1.0 · 2026-11-24 10:03 UTC

                  n           p50           p90            p95    p99        min–max
    local cold   60        212 ms        240 ms         256 ms  n<299  198 ms–1.04 s
                       205–221 ms    233–260 ms  241 ms–1.04 s
    local warm  200       1.84 ms       2.10 ms        2.40 ms  n<299   0.84–9.10 ms
                     1.80–1.90 ms  2.00–2.20 ms   2.30–2.60 ms
    Under each figure: its 95 % bounds. n<59: it takes 59 samples to say more.

    Where a cold start of local goes (medians; residual: wait that no phase explains)
    ███████▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▒▒▒▒▒▒▒▒▒▒▒▒▒▒░░░░░░░░░░░░░░░·······
    █ residual 20.0 ms   ▓ boot 80.0 ms   ▒ import 40.0 ms   ░ load 40.0 ms   ▞ wait 0.40 ms
    · infer 20.0 ms

    On local a cold request takes 115 times as long as a warm one.
    The first cold start measured of this image took 340 ms; it is not in the table.
    • process engine: this machine, not the image
    "
  `);
});

test('without block characters everything is ASCII', () => {
  const text = renderTerminal(report(provider()), {...plain, unicode: false});
  expect(text).toMatch(/^[\x20-\x7e\n]+$/);
  expect(text).toContain('#');
});

test.each([120, 80, 60, 48, 40])('on %i columns no line of table, bar or legend is longer', (width) => {
  const lines = renderTerminal(report(provider({notes: []})), {...plain, width}).split('\n');
  const drawn = lines.filter((line) => /^(local|\s|[█▓▒░▞·])/.test(line));
  expect(drawn.length).toBeGreaterThan(4);
  for (const line of drawn) expect(line.length).toBeLessThanOrEqual(width);
  // What a reader came for is always there.
  expect(lines.join('\n')).toMatch(/p50.*\n.*local cold.*212 ms/);
});

test('the bar is shared out in proportion and fills its width', () => {
  const bar = renderTerminal(report(provider()), {...plain, width: 50})
    .split('\n')
    .find((line) => line.startsWith('██'));
  const count = (fill: string): number => (bar ?? '').split(fill).length - 1;
  expect(bar).toHaveLength(50);
  expect([count('█'), count('▓'), count('▒'), count('░'), count('▞'), count('·')]).toEqual([
    5, 20, 10, 10, 0, 5,
  ]);
});

test('colour changes no character', () => {
  const code = (n: number) => (text: string) => `\u001b[${n}m${text}\u001b[0m`;
  const paint = {bold: code(1), dim: code(2), good: code(32), warn: code(33), accent: code(36)};
  const painted = renderTerminal(report(provider()), {...plain, paint});
  expect(painted).not.toBe(renderTerminal(report(provider()), plain));
  // eslint-disable-next-line no-control-regex
  expect(painted.replaceAll(/\u001b\[\d+m/g, '')).toBe(renderTerminal(report(provider()), plain));
});

test('misses, failures and an interrupt are said', () => {
  const text = renderTerminal(
    {
      ...report(
        provider({
          missed: [{want: 'cold', got: 'prewarmed', count: 2}],
          failed: [{want: 'warm', error: 'HTTP 500', count: 1}],
        }),
      ),
      interrupted: true,
    },
    plain,
  );
  expect(text).toContain('2 shots wanted cold and came out prewarmed.');
  expect(text).toContain('1 shot wanted warm and failed: HTTP 500.');
  expect(text).toContain('Interrupted');
});

test('providers stand in one table, each with a bar of its own', () => {
  const text = renderTerminal(report(provider(), provider({provider: 'elsewhere'})), plain);
  expect(text.match(/(?<!cold |warm )p50/g)).toHaveLength(1);
  expect(text).toContain('elsewhere cold');
  expect(text).toContain('Where a cold start of local goes');
  expect(text).toContain('Where a cold start of elsewhere goes');
});

test('nothing measured renders too', () => {
  const none = summary({
    n: 0,
    minMs: null,
    maxMs: null,
    meanMs: null,
    p50Ms: null,
    p90Ms: null,
    p95Ms: null,
    intervals: {p50: [null, null]},
  });
  const text = renderTerminal(report(provider({cold: none, warm: none, notes: []})), plain);
  expect(text).toMatch(/local cold +0 +n<5 +n<29 +n<59 +n<299/);
  expect(text).not.toContain('Where a cold start');
  expect(text).not.toContain('times');
});

test('a residual below zero is shown as it is and takes no cell', () => {
  const cold = summary({phases: {boot: 10, residual: -1.5}});
  expect(renderTerminal(report(provider({cold})), plain)).toContain('residual -1.50 ms');
});

test('a load is a row for each stage, a line of blocks for its course, and the knee', () => {
  const steps = load({
    shape: {kind: 'steps', perSecond: [100, 200], durationMs: 10_000},
    stages: [
      stage({
        perSecond: 100,
        due: 1000,
        dropped: 0,
        failed: 0,
        classes: {...stage().classes, cold: 0, joined: 0},
      }),
      stage(),
    ],
    kneePerSecond: 100,
  });
  const text = renderTerminal(report(provider({load: steps})), plain);
  const block = text.slice(text.indexOf('Under load'), text.indexOf('On local a cold'));
  expect(block).toMatchInlineSnapshot(`
    "Under load, local (100, 200 per second, 10s each; from when each request was due)
            due  dropped  failed      p50      p99     max  instances   cold
    100/s  1000        0       0  0.94 ms  61.4 ms  412 ms          9    0 %
    200/s  4000       38      12  0.94 ms  61.4 ms  412 ms          9  0.6 %
    ▇▂▂▁▁▁▂▁▂▂▁▂▂▂▂▂▁▂▁▂██▁▁▁▁▂▂▂▁▂▂▁ ▂▂▁▁▁▁
    p99 over 20s, 2.16–398 ms, logarithmic
    It kept up to 100 requests per second, not beyond.

    "
  `);
});

test('a load fits a narrow screen and can be ASCII', () => {
  const screen = {...plain, width: 44, unicode: false};
  const text = renderTerminal(report(provider({load: load(), notes: []})), screen);
  expect(text).toMatch(/^[\x20-\x7e\n]+$/);
  const lines = text.split('\n');
  const stageAt = lines.findIndex((line) => line.startsWith('200/s'));
  const rows = lines.slice(stageAt - 1, stageAt + 2);
  expect(rows[2]).toMatch(/^[_.~=+*# -]{30,}$/);
  for (const row of rows) expect(row.length).toBeLessThanOrEqual(44);
});

test('a load without evidence has no columns for it', () => {
  const {classes} = stage();
  const blind = load({
    stages: [stage({instances: null, classes: {...classes, cold: 0, joined: 0, warm: 0, unknown: 3950}})],
  });
  const text = renderTerminal(report(provider({load: blind})), plain);
  expect(text).toContain('dropped');
  expect(text).not.toMatch(/instances|p99 {2}.*cold/);
});

test('starts from a snapshot have a row of their own, in place of cold ones', () => {
  const none = summary({n: 0, p50Ms: null, phases: {}});
  const text = renderTerminal(report(provider({cold: none, restored: summary()})), plain);
  expect(text).toMatch(/local restored +60 +212 ms/);
  expect(text).toMatch(/local warm/);
  expect(text).not.toMatch(/local cold/);
});

test('answers without evidence have a row of their own, and empty groups none', () => {
  const none = summary({n: 0, p50Ms: null, phases: {}});
  const text = renderTerminal(report(provider({cold: none, warm: none, unknown: summary()})), plain);
  expect(text).toMatch(/local unknown +60 +212 ms/);
  expect(text).not.toMatch(/local (cold|warm)/);
});
