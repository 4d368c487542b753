import {html, type Content, type Markup} from './markup.ts';

/** What a chart is and shows. Widths are shares of what there is; heights and texts keep their size. */
export interface Chart {
  /** Unlike that of every other chart of the page. */
  readonly id: string;
  readonly title: string;
  /** What it shows, for those who do not see it. */
  readonly description: string;
  readonly height: number;
  /** Room at the left for the labels of level lines; the chart's own zero is right of it. */
  readonly gutter?: boolean;
  readonly body: Content;
}

/** A chart as SVG that is as wide as there is room. */
export function renderChart({id, title, description, height, gutter = false, body}: Chart): Markup {
  return html`<svg
    class="chart${gutter && ' gutter'}"
    role="img"
    aria-labelledby="${id}-title ${id}-desc"
    width="100%"
    height="${height}"
  >
    <title id="${id}-title">${title}</title>
    <desc id="${id}-desc">${description}</desc>
    ${body}
  </svg>`;
}

/** Lines drawn in a square of 1000 by 1000 that is stretched over a part of a chart; strokes keep their width. */
export function stretched(top: number, height: number, body: Content): Markup {
  return html`<svg
    y="${top}"
    width="100%"
    height="${height}"
    viewBox="0 0 1000 1000"
    preserveAspectRatio="none"
  >
    ${body}
  </svg>`;
}

/** A place in such a square. */
export const inSquare = (share: number): number => Number((share * 1000).toFixed(1));
