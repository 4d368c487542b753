import type {Json} from '../../core/json.ts';
import type {ProviderReport, Report} from '../../core/report.ts';
import {formatBytes} from '../../core/units.ts';
import {renderCommandLine} from '../command-line.ts';
import {describeLoad} from '../load-words.ts';
import {headlineOf, loadSentenceOf, sentenceOf} from './headline.ts';
import {renderLoadCharts, renderTimeline} from './load-charts.ts';
import {describeSize} from '../size.ts';
import {html, Markup} from './markup.ts';
import {showCount} from './numbers.ts';
import {renderPercentiles} from './percentile-chart.ts';
import {renderPhases} from './phase-chart.ts';
import {renderStrips} from './strip-chart.ts';
import {STYLE} from './style.ts';
import {renderClasses, renderFigures, renderMisses, renderStages} from './tables.ts';

/** Nothing may be fetched and nothing may run, whatever text found its way in. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/**
 * The report as one HTML file that needs nothing else: no script, no font, no image from elsewhere. Equal reports
 * give equal text. Every figure in its tables is in the JSON of the report, in the same or in fewer digits; charts
 * are drawn from the same.
 */
export function renderHtml(report: Report): string {
  const {function: name, providers, startedAt} = report;
  const headline = headlineOf(report);
  const title = `${name ?? providers[0]?.provider ?? 'benchmark'}: ${headline}`;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="generator" content="thaw ${report.thaw}" />
        <title>${title}</title>
        <link rel="icon" href="data:," />
        <style>
          ${new Markup(STYLE)}
        </style>
      </head>
      <body>
        <div class="page">
          <header>
            <p class="eyebrow">
              <b>${name ?? 'benchmark'}</b> · ${providers.map(({provider}) => provider).join(', ')} ·
              <time datetime="${startedAt}">${startedAt.slice(0, 16).replace('T', ' ')} UTC</time> · thaw
              ${report.thaw}
            </p>
            <h1>${headline}</h1>
            ${renderLede(report)} ${renderAlarm(report)} ${renderNotes(providers)}
          </header>
          <main>
            ${section('distribution', 'Cold and warm', 'Time from the request’s start on an open connection to the first byte of its answer.', [renderStrips(providers), renderFigures(providers), html`<p class="caption">Under a quantile: bounds of which each alone holds with 95 % confidence, whatever the distribution. “n<59”: it takes 59 requests to say more than the slowest of them.</p>`])}
            ${section('phases', 'Where a cold start goes', null, [renderPhases(providers)])}
            ${section('percentiles', 'Percentiles', null, [renderPercentiles(providers)])}
            ${section('load', 'Under load', 'Requests are due by the clock, however the earlier ones fare. Latency counts from when a request was due, so a stall is suffered by all who arrive in it.', providers.map(renderLoad))}
            ${section('outcome', 'What came out', 'Cold or warm is decided by what an instance proves in its answer, never by what was intended.', [renderClasses(providers), renderMisses(providers)])}
            ${section('method', 'How it was measured', null, [renderMethod(report)])}
          </main>
          <footer>${GLOSSARY}</footer>
        </div>
      </body>
    </html> `.text;
}

/** A part of the page; none where there is nothing in it. */
function section(
  id: string,
  heading: string,
  intro: string | null,
  content: readonly (Markup | null)[],
): Markup | null {
  if (content.every((part) => part === null)) return null;
  return html`<section aria-labelledby="${id}">
    <h2 id="${id}">${heading}</h2>
    ${intro === null ? null : html`<p class="intro">${intro}</p>`} ${content}
  </section>`;
}

function renderLede({providers}: Report): Markup | null {
  const [only] = providers;
  if (only && providers.length === 1) {
    const load = loadSentenceOf(only);
    return load === null || load === sentenceOf(only) ? null : html`<p class="lede">${load}.</p>`;
  }
  const places = providers.map((provider) => {
    const sentences = new Set([sentenceOf(provider), loadSentenceOf(provider)].filter((one) => one !== null));
    return html`<li>
      <strong>${provider.provider}</strong><br />${[...sentences].map((one) => `${one}. `)}
    </li>`;
  });
  return providers.length === 0
    ? null
    : html`<ul class="places">
        ${places}
      </ul>`;
}

function renderAlarm({interrupted}: Report): Markup | null {
  return interrupted
    ? html`<div class="notes alarm"><p>Interrupted: this is what was measured until then.</p></div>`
    : null;
}

function renderNotes(providers: readonly ProviderReport[]): Markup | null {
  const notes = providers.flatMap(({provider, notes}) =>
    notes.map((note) => html`<li>${providers.length > 1 && `${provider}: `}${note}</li>`),
  );
  return notes.length === 0
    ? null
    : html`<aside class="notes" aria-label="What to know of these figures">
        <p>To know before judging these figures</p>
        <ul>
          ${notes}
        </ul>
      </aside>`;
}

function renderLoad(
  provider: ProviderReport,
  index: number,
  providers: readonly ProviderReport[],
): Markup | null {
  const {load} = provider;
  if (load === null) return null;
  const name = provider.provider;
  const heading = html`<h3>${name}</h3>
    <p class="intro">${loadSentenceOf(provider)}.</p>`;
  return html`${providers.length > 1 && heading} ${renderLoadCharts(load, name, `load-${index}`)}
  ${renderStages(load, name)} ${renderTimeline(load, `The course of the load on ${name}`)}`;
}

// How it was measured

const MACHINE_WORDS = new Map(
  Object.entries({
    cpu: 'processor',
    cores: 'cores',
    memoryMb: 'memory, MiB',
    system: 'system',
    node: 'Node.js',
  }),
);

function renderMethod(report: Report): Markup {
  const {request, machine, providers, samples} = report;
  const facts: (readonly [string, string | Markup])[] = [
    ...providers.map(
      (report) =>
        [
          report.provider,
          html`<code>${report.url}</code>${
              report.image !== null && html`<br />image <code>${report.image}</code>`
            }${describeSize(report) !== '' && html`<br />${describeSize(report)}`}`,
        ] as const,
    ),
    [
      'asked for',
      `${showCount(request.cold)} cold, ${showCount(request.warm)} warm${request.load === null ? '' : `, ${describeLoad(request.load)}`}`,
    ],
    [
      'request',
      html`<code>${request.method}</code
        >${request.headers.length > 0 && html` with the headers ${request.headers.join(', ')}`}`,
    ],
    ...request.bodies.map(
      ({source, bytes, digest}) =>
        ['body', html`${source}, ${formatBytes(bytes)}, <code>${digest}</code>`] as const,
    ),
    ...Object.entries(machine).map(
      ([fact, value]) => [MACHINE_WORDS.get(fact) ?? fact, showFact(value)] as const,
    ),
    ['every sample', html`<code>${samples}</code>`],
    ['schema', html`<code>${report.schema}</code>, measured by thaw ${report.thaw}`],
  ];
  return html`<dl>
      ${facts.map(
        ([term, meaning]) =>
          html`<dt>${term}</dt>
            <dd>${meaning}</dd>`,
      )}
    </dl>
    <h3>To repeat it</h3>
    <pre><code>${renderCommandLine(report)}</code></pre>`;
}

const showFact = (value: Json): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : JSON.stringify(value);

const GLOSSARY = html`<section aria-labelledby="words" style="margin:0">
  <h2 id="words">Words</h2>
  <dl>
    <dt>cold</dt>
    <dd>
      An instance was born for this very request: it was its first, and the instance is no older than the
      wait.
    </dd>
    <dt>warm</dt>
    <dd>An instance that had answered before.</dd>
    <dt>joined</dt>
    <dd>Waited for a start that another request had caused.</dd>
    <dt>prewarmed</dt>
    <dd>The first request of an instance that was waiting already.</dd>
    <dt>restored, restarted</dt>
    <dd>The instance went on from a snapshot; its process was younger than its sandbox.</dd>
    <dt>unknown</dt>
    <dd>The answer carried no evidence, so nobody can say.</dd>
    <dt>first after deploy</dt>
    <dd>The first cold start measured of a new image. It is shown apart and is in no other figure.</dd>
    <dt>warm overhead</dt>
    <dd>Median of what a warm request takes beside the work on it: the way there and back.</dd>
    <dt>dropped</dt>
    <dd>Due, but not sent: too many were under way already. It is in no latency.</dd>
  </dl>
</section>`;
