import {HistogramLogReader, listTags} from 'hdr-histogram-js';
import {expect, test} from 'vitest';
import {renderHdr} from '../../../src/report/hdr.ts';
import {provider, report} from './fixture.ts';
import {load, measured, run, timesAbout} from './run.ts';

function read(text: string) {
  const reader = new HistogramLogReader(text);
  const histograms = [];
  for (let next = reader.nextIntervalHistogram(); next !== null; next = reader.nextIntervalHistogram()) {
    histograms.push(next);
  }
  return histograms;
}

test('every group and the load come back from the log as they went in', () => {
  const text = renderHdr(run(measured({load: load()})));
  expect(listTags(text)).toEqual(['local.cold', 'local.warm', 'local.load']);
  const [cold, warm, loaded] = read(text);
  expect([cold?.totalCount, warm?.totalCount, loaded?.totalCount]).toEqual([60, 500, 3950]);

  const sorted = timesAbout(88, 60, 7).sort((a, b) => a - b);
  const medianUs = (sorted[29] ?? 0) * 1000;
  expect(Math.abs((cold?.getValueAtPercentile(50) ?? 0) / medianUs - 1)).toBeLessThan(0.001);
  const maxUs = (sorted.at(-1) ?? 0) * 1000;
  expect(Math.abs((cold?.maxValue ?? 0) / maxUs - 1)).toBeLessThan(0.001);
  expect(cold?.startTimeStampMsec).toBe(Date.parse('2026-11-24T10:03:11.123Z'));
});

test('the log says its format and unit, and when it began', () => {
  expect(renderHdr(run(measured())).split('\n').slice(0, 5)).toEqual([
    '#[thaw benchmark; values in microseconds]',
    '#[Histogram log format version 1.3]',
    '#[StartTime: 1795514591.123 (seconds since epoch), 2026-11-24T10:03:11.123Z]',
    '#[BaseTime: 1795514591.123 (seconds since epoch)]',
    '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
  ]);
});

test('a name cannot break a line of the log', () => {
  const text = renderHdr(run(measured({provider: 'a, b\nTag=c'})));
  expect(listTags(text)).toEqual(['a_b_Tag=c.cold', 'a_b_Tag=c.warm']);
  expect(read(text)).toHaveLength(2);
});

test('a report without single times has no lines, and a damaged histogram none', () => {
  expect(read(renderHdr(report(provider())))).toEqual([]);
  expect(read(renderHdr(report(provider({load: load({histogram: 'HISTFAAA nonsense'})}))))).toEqual([]);
});
