import {expect, test} from 'vitest';
import {renderJson} from '../../../src/report/json.ts';
import {renderMarkdown} from '../../../src/report/markdown.ts';
import {provider, report} from './fixture.ts';
import {load} from './run.ts';

test('a report is a Markdown table and remarks', () => {
  expect(renderMarkdown(report(provider({firstAfterDeployMs: 340})))).toMatchInlineSnapshot(`
    "### credit-scoring

    |  | n | p50 | p90 | p95 | p99 | min–max |
    | --- | ---: | ---: | ---: | ---: | ---: | ---: |
    | local cold | 60 | 212 ms | 240 ms | 256 ms | n\\<299 | 198 ms–1.04 s |
    | local warm | 200 | 1.84 ms | 2.10 ms | 2.40 ms | n\\<299 | 0.84–9.10 ms |

    - local, cold, medians: residual 20.0 ms, boot 80.0 ms, import 40.0 ms, load 40.0 ms, wait 0.40 ms, infer 20.0 ms
    - local: a cold request takes 115 times as long as a warm one
    - local: first cold start measured of this image, apart: 340 ms
    - local: process engine: this machine, not the image
    "
  `);
});

test('what others named cannot break the table', () => {
  const text = renderMarkdown(report(provider({provider: 'a|b\nc', notes: ['<b> `x` | y']})));
  expect(text).toContain(String.raw`| a\|b c cold |`);
  expect(text).toContain(String.raw`\<b\> \`x\` \| y`);
});

test('a report as JSON is the report', () => {
  expect(JSON.parse(renderJson(report(provider())))).toEqual(report(provider()));
});

test('a load is a table of its stages', () => {
  const text = renderMarkdown(report(provider({load: load()})));
  expect(text.slice(text.indexOf('Under load'), text.indexOf('- local'))).toMatchInlineSnapshot(`
    "Under load, 200 per second for 20s, from when each request was due

    |  | due | dropped | failed | p50 | p99 | max | instances | cold |
    | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
    | local 200/s | 4000 | 38 | 12 | 0.94 ms | 61.4 ms | 412 ms | 9 | 0.6 % |

    "
  `);
});

test('several targets stand side by side, with the size of what runs', () => {
  const archive = {bytes: 19_800_000, unpackedBytes: 52_100_000};
  const others = [
    provider({imageBytes: 498_000_000}),
    provider({provider: 'zipped', imageBytes: null, archive}),
    provider({provider: 'twin', imageBytes: null}),
  ];
  const text = renderMarkdown({...report(provider()), providers: others});
  expect(text.slice(text.indexOf('|  | cold p50'), text.indexOf('- local'))).toMatchInlineSnapshot(`
    "|  | cold p50 | warm p50 | size |
    | --- | ---: | ---: | ---: |
    | local | 212 ms | 1.84 ms | image 498 MB |
    | zipped | 212 ms | 1.84 ms | zip 19.8 MB, 52.1 MB unpacked |
    | twin | 212 ms | 1.84 ms |  |

    "
  `);
});
