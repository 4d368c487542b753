import {scaleLinear, scaleLog} from 'd3-scale';
import {html, type Markup} from './markup.ts';
import {percent} from './numbers.ts';

/** A mark on an axis. */
export interface Tick {
  /** From 0 to 1 along the axis. */
  readonly at: number;
  readonly label: string;
  /** A narrow chart shows it without its label. */
  readonly minor: boolean;
}

/** A way from values to places, with the marks that explain it. */
export interface Axis {
  /** From 0 to 1; values beyond the ends stand at the ends. */
  readonly at: (value: number) => number;
  readonly ticks: readonly Tick[];
}

/** Below this, in milliseconds, no chart goes: a logarithm has no zero. */
const LEAST_MS = 0.01;

/** What is exactly at the end of an axis may come out a rounding error beyond it. */
const ROUNDING = 1e-9;

/** An axis of milliseconds on which equal ratios are equally far apart, from a round number to a round number. */
export function logAxis(values: readonly number[]): Axis {
  const positive = values.map((ms) => Math.max(ms, LEAST_MS));
  // No spread of the values: a large run has more of them than a call can have arguments.
  const min = positive.reduce((least, ms) => Math.min(least, ms), Infinity);
  const max = positive.reduce((most, ms) => Math.max(most, ms), LEAST_MS);
  const [low, high] = [roundDown(Math.min(min, max)), roundUp(max)];
  const scale = scaleLog([low, high === low ? low * 10 : high], [0, 1]).clamp(true);
  const rounds = roundNumbers(scale.domain()[0] ?? low, scale.domain()[1] ?? high);
  const powers = rounds.filter(isPowerOfTen);
  return {
    at: (ms) => scale(Math.max(ms, LEAST_MS)),
    ticks: rounds.map((ms) => ({
      at: scale(ms),
      label: tickLabel(ms),
      minor: rounds.length > 4 && powers.length > 1 && !isPowerOfTen(ms),
    })),
  };
}

/** An axis from zero to a round number. */
export function linearAxis(max: number, label: (value: number) => string, wanted = 5): Axis {
  const scale = scaleLinear([0, max > 0 ? max : 1], [0, 1])
    .nice(wanted)
    .clamp(true);
  return {
    at: (value) => scale(value),
    ticks: scale
      .ticks(wanted)
      .map((value, i) => ({at: scale(value), label: label(value), minor: wanted > 4 && i % 2 === 1})),
  };
}

/** An axis of shares of requests, on which 90, 99 and 99.9 % are equally far apart, up to `largest` requests. */
export function quantileAxis(largest: number): Axis {
  const decades = Math.max(1, Math.log10(Math.max(largest, 1)));
  const at = (quantile: number): number => Math.min(1, -Math.log10(1 - quantile) / decades);
  const shown = [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999].filter(
    (quantile) => -Math.log10(1 - quantile) <= decades + ROUNDING,
  );
  return {
    at,
    ticks: shown.map((quantile) => ({
      at: at(quantile),
      label: `p${Number((quantile * 100).toFixed(4))}`,
      minor: false,
    })),
  };
}

/** Upright lines through a chart, with their labels below it. */
export const uprights = ({ticks}: Axis, top: number, bottom: number): Markup[] =>
  ticks.map(({at, label, minor}) => {
    const x = percent(at);
    return html`<line class="grid" x1="${x}" x2="${x}" y1="${top}" y2="${bottom}" /><text
        class="tick${minor && ' minor'}"
        x="${x}"
        y="${bottom + 16}"
        text-anchor="${anchorAt(at)}"
        >${label}</text
      >`;
  });

/** Level lines through a chart, their labels in the gutter at its left; of close ones, only the round. */
export const levels = ({ticks}: Axis, top: number, height: number): Markup[] => {
  const isClose = height / Math.max(1, ticks.length - 1) < 17;
  return ticks
    .filter(({minor}) => !(isClose && minor))
    .map(({at, label}) => {
      const y = Number((top + height * (1 - at)).toFixed(1));
      return html`<line class="grid" x1="0" x2="100%" y1="${y}" y2="${y}" /><text
          class="tick"
          x="-10"
          y="${y + 4}"
          text-anchor="end"
          >${label}</text
        >`;
    });
};

/** How a text hangs on its place, so that it stays inside the chart. */
export const anchorAt = (at: number): 'start' | 'middle' | 'end' =>
  at < 0.12 ? 'start' : at > 0.88 ? 'end' : 'middle';

/** Milliseconds that are a round number: `0.5 ms`, `20 ms`, `1 s`. */
function tickLabel(ms: number): string {
  return ms >= 1000 ? `${Number((ms / 1000).toPrecision(3))} s` : `${Number(ms.toPrecision(3))} ms`;
}

export const msTick = (ms: number): string => (ms === 0 ? '0' : tickLabel(ms));

const ROUND = [1, 2, 5];

function roundNumbers(low: number, high: number): number[] {
  const numbers: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    numbers.push(...ROUND.map((digit) => Number(`${digit}e${power}`)));
  }
  // A rounding error must not lose an end.
  return numbers.filter((value) => value >= low * 0.999 && value <= high * 1.001);
}

const roundDown = (ms: number): number => roundNumbers(ms / 10, ms).at(-1) ?? ms;
const roundUp = (ms: number): number => roundNumbers(ms, ms * 10)[0] ?? ms;

const isPowerOfTen = (value: number): boolean => Math.abs(Math.log10(value) % 1) < 1e-9;
