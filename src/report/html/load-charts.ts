import {line} from 'd3-shape';
import type {LoadBucket, LoadReport} from '../../core/load.ts';
import {formatDuration} from '../../core/units.ts';
import {describeLoad} from '../load-words.ts';
import {levels, linearAxis, logAxis, uprights, type Axis} from './axis.ts';
import {inSquare, renderChart, stretched} from './chart.ts';
import {html, type Content, type Markup} from './markup.ts';
import {showCount, showMs} from './numbers.ts';

/** A load's course: charts above one another, all over the same time. */
export function renderLoadCharts(load: LoadReport, provider: string, id: string): Markup | null {
  if (load.timeline.length === 0) return null;
  const time = linearAxis(
    (load.bucketMs * load.timeline.length) / 1000,
    (seconds) => `${Number(seconds.toFixed(3))} s`,
    8,
  );
  const known = load.timeline.some(({instances}) => instances !== null);
  const course = {load, time, provider, id};
  return html`${renderLatency(course)} ${renderRequests(course)}
  ${known ? [renderInstances(course), renderColdShare(course)] : html`<p class="caption">How many instances answered, and which of them had to start, is not known: the answers carry no evidence.</p>`}`;
}

interface Course {
  readonly load: LoadReport;
  readonly time: Axis;
  readonly provider: string;
  readonly id: string;
}

interface Panel {
  readonly kind: string;
  readonly heading: string;
  readonly legend: Content;
  readonly description: string;
  readonly height: number;
  readonly y: Axis;
  /** Drawn in a stretched square. */
  readonly drawn: Content;
}

function renderPanel({load, time, provider, id}: Course, panel: Panel): Markup {
  const top = 8;
  const {kind, heading, legend, description, height, y, drawn} = panel;
  return html`<figure>
    <h4>${heading}</h4>
    ${legend}
    ${renderChart({
      id: `${id}-${kind}`,
      title: `${heading}, ${provider}, ${describeLoad(load.shape)}`,
      description,
      height: top + height + 24,
      gutter: true,
      body: [uprights(time, top, top + height), levels(y, top, height), stretched(top, height, drawn)],
    })}
  </figure>`;
}

// Latency

function renderLatency(course: Course): Markup {
  const {timeline} = course.load;
  const values = timeline.flatMap(({p50Ms, p99Ms}) => [p50Ms, p99Ms]).filter((ms) => ms !== null);
  const y = logAxis(values.length === 0 ? [1, 10] : values);
  const most = (key: 'p50Ms' | 'p99Ms'): number | null =>
    timeline.reduce<number | null>(
      (most, {[key]: ms}) => (ms !== null && ms > (most ?? 0) ? ms : most),
      null,
    );
  const draw = (key: 'p50Ms' | 'p99Ms', name: string): Content => {
    const path = line<LoadBucket>(
      (bucket) => inSquare(middleOf(course, bucket)),
      (bucket) => inSquare(1 - y.at(bucket[key] ?? 0)),
    )
      .defined((bucket) => bucket[key] !== null)
      .digits(1);
    // A path of one point has no length: round ends make it a dot.
    return html`<path class="curve s-load ${name}" d="${path([...timeline]) ?? ''}" />`;
  };
  return renderPanel(course, {
    kind: 'latency',
    heading: 'Latency over time',
    legend: html`<ul class="legend" aria-hidden="true">
      <li>
        <svg width="28" height="10"><line class="curve s-load l-p50" x1="0" x2="28" y1="5" y2="5" /></svg>p50
      </li>
      <li>
        <svg width="28" height="10"><line class="curve s-load l-p99" x1="0" x2="28" y1="5" y2="5" /></svg>p99
      </li>
    </ul>`,
    description: `The highest p50 of any stretch is ${showMs(most('p50Ms'), 'not known')}, the highest p99 ${showMs(most('p99Ms'), 'not known')}. Every figure is in the table below.`,
    height: 170,
    y,
    drawn: [draw('p50Ms', 'l-p50'), draw('p99Ms', 'l-p99')],
  });
}

// Requests

function renderRequests(course: Course): Markup {
  const {timeline} = course.load;
  const y = linearAxis(Math.max(...timeline.map(({due}) => due)), showCount, 3);
  const has = (key: 'failed' | 'dropped'): boolean => timeline.some((bucket) => bucket[key] > 0);
  const bars = timeline.map((bucket) => {
    const {answered, failed, dropped} = bucket;
    return [
      bar(course, bucket, 'answered', 0, answered, y),
      bar(course, bucket, 'failed', answered, failed, y),
      bar(course, bucket, 'dropped', answered + failed, dropped, y),
    ];
  });
  const kinds = ['answered', ...(['failed', 'dropped'] as const).filter(has)];
  return renderPanel(course, {
    kind: 'requests',
    heading: `Requests due in each ${formatDuration(course.load.bucketMs)}`,
    legend: html`<ul class="legend" aria-hidden="true">
      ${kinds.map(
        (kind) =>
          html`<li>
            <svg width="12" height="12"><rect class="b-${kind}" width="12" height="12" /></svg>${kind}
          </li>`,
      )}
    </ul>`,
    description: `Stacked: ${kinds.join(', ')}. ${has('dropped') ? 'Some were dropped.' : 'None was dropped.'} ${has('failed') ? 'Some failed.' : 'None failed.'}`,
    height: 96,
    y,
    drawn: bars,
  });
}

// Instances

function renderInstances(course: Course): Markup {
  const {timeline} = course.load;
  const most = Math.max(...timeline.map(({instances}) => instances ?? 0));
  const y = linearAxis(most, showCount, Math.min(3, most));
  return renderPanel(course, {
    kind: 'instances',
    heading: 'Instances that answered',
    legend: null,
    description: `At most ${showCount(most)} in one stretch.`,
    height: 72,
    y,
    drawn: timeline.map((bucket) => bar(course, bucket, 'instances', 0, bucket.instances ?? 0, y)),
  });
}

function renderColdShare(course: Course): Markup {
  const {timeline} = course.load;
  const cold = timeline.filter((bucket) => bucket.cold > 0);
  if (cold.length === 0) return html`<p class="caption">No answer of the load was cold.</p>`;
  const share = ({cold, answered}: LoadBucket): number => (answered === 0 ? 0 : (100 * cold) / answered);
  const y = linearAxis(Math.max(...timeline.map(share)), (percent) => `${percent} %`, 2);
  return renderPanel(course, {
    kind: 'cold',
    heading: 'Cold share of the answers',
    legend: null,
    description: `In ${showCount(cold.length)} of ${showCount(timeline.length)} stretches.`,
    height: 72,
    y,
    drawn: timeline.map((bucket) => bar(course, bucket, 'cold', 0, share(bucket), y)),
  });
}

/** A bar over a bucket's time, from one value up by another. */
function bar(
  {load, time}: Course,
  bucket: LoadBucket,
  kind: string,
  from: number,
  by: number,
  y: Axis,
): Content {
  if (by <= 0) return null;
  const left = time.at(bucket.fromMs / 1000);
  const right = time.at((bucket.fromMs + load.bucketMs) / 1000);
  const [bottom, top] = [1 - y.at(from), 1 - y.at(from + by)];
  const gap = (right - left) * 0.08;
  return html`<rect
    class="b-${kind}"
    x="${inSquare(left + gap)}"
    width="${inSquare(right - left - 2 * gap)}"
    y="${inSquare(top)}"
    height="${inSquare(bottom - top)}"
  />`;
}

const middleOf = ({load, time}: Course, {fromMs}: LoadBucket): number =>
  time.at((fromMs + load.bucketMs / 2) / 1000);

/** The course in figures, folded away: it is long. */
export function renderTimeline({timeline}: LoadReport, caption: string): Markup | null {
  if (timeline.length === 0) return null;
  const known = timeline.some(({instances}) => instances !== null);
  return html`<details>
    <summary>The course in figures (${showCount(timeline.length)} rows)</summary>
    <div class="scroll" role="region" tabindex="0" aria-label="${caption}">
      <table>
        <thead>
          <tr>
            <th scope="col">from</th>
            <th scope="col" class="n">due</th>
            <th scope="col" class="n">answered</th>
            <th scope="col" class="n">failed</th>
            <th scope="col" class="n">dropped</th>
            <th scope="col" class="n">p50</th>
            <th scope="col" class="n">p99</th>
            ${
              known &&
              html`<th scope="col" class="n">cold</th>
                <th scope="col" class="n">instances</th>`
            }
          </tr>
        </thead>
        <tbody>
          ${timeline.map(
            (bucket) =>
              html`<tr>
                <th scope="row">${bucket.fromMs === 0 ? '0' : showMs(bucket.fromMs)}</th>
                <td class="n">${showCount(bucket.due)}</td>
                <td class="n">${showCount(bucket.answered)}</td>
                <td class="n">${showCount(bucket.failed)}</td>
                <td class="n">${showCount(bucket.dropped)}</td>
                <td class="n">${showMs(bucket.p50Ms)}</td>
                <td class="n">${showMs(bucket.p99Ms)}</td>
                ${
                  known &&
                  html`<td class="n">${showCount(bucket.cold)}</td>
                    <td class="n">${showCount(bucket.instances)}</td>`
                }
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}
