import {readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {describe, expect, expectTypeOf, test} from 'vitest';
import type * as z from 'zod';
import {ThawError} from '../../../src/core/errors.ts';
import type {Report} from '../../../src/core/report.ts';
import {renderJson} from '../../../src/report/json.ts';
import {parseReport, renderReportSchema, type reportSchema} from '../../../src/report/schema.ts';
import {conforms, type JsonSchema} from '../../cli/json-schema.ts';
import {load, measured, run} from './run.ts';

/** A type with nothing read-only in it, and its intersections made one. */
type Flat<T> = T extends object ? {-readonly [K in keyof T]: Flat<T[K]>} : T;
type Read = z.infer<typeof reportSchema>;

const whole = run(
  measured({load: load()}),
  measured({provider: 'elsewhere', restored: measured().warm, unknown: measured().warm}),
);
const written = (): {[key: string]: unknown} => JSON.parse(renderJson(whole));

function failureOf(value: unknown): ThawError {
  try {
    parseReport(value, 'r.json');
  } catch (error) {
    if (error instanceof ThawError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

test('a written report is read as it was', () => {
  expect(parseReport(written())).toEqual(whole);
});

test('what is read has the type that core gives it, or this does not compile', () => {
  expectTypeOf<Flat<Omit<Read, 'machine'>>>().toEqualTypeOf<Flat<Omit<Report, 'machine'>>>();
  expectTypeOf<Read['machine']>().toExtend<Report['machine']>();
});

test('members that this thaw does not know are passed over', () => {
  expect(parseReport({...written(), later: 1})).toEqual(whole);
});

describe('what is no report of this schema is refused', () => {
  test.each([
    [
      'thaw.report/0',
      'r.json was written by an older thaw: its schema is thaw.report/0, and this thaw reads thaw.report/1',
    ],
    [
      'thaw.report/2',
      'r.json was written by a newer thaw: its schema is thaw.report/2, and this thaw reads thaw.report/1',
    ],
    ['k6/1', 'r.json is not a report of thaw: it has the schema "k6/1"'],
  ])('%s', (schema, message) => {
    const failure = failureOf({...written(), schema});
    expect(failure.code).toBe('INPUT_INVALID');
    expect(failure.message).toBe(message);
  });

  test.each([[null], [[]], ['text'], [7], [{}]])('%j', (value) => {
    expect(failureOf(value).message).toBe('r.json is not a report of thaw: it has no "schema"');
  });
});

test('every mistake is named with its place', () => {
  const {warm: _, ...broken} = measured();
  const failure = failureOf({...whole, startedAt: 'yesterday', providers: [{...broken, url: 7}]});
  expect(failure.message).toMatch(/^r\.json is not a whole report: startedAt: .*, and 2 more mistakes$/);
  expect(failure.facts['problems']).toEqual([
    expect.stringMatching(/^startedAt: must be a moment/),
    expect.stringMatching(/^providers\.0\.url: /),
    expect.stringMatching(/^providers\.0\.warm: /),
  ]);
});

describe('docs/report.schema.json', () => {
  const published = JSON.parse(
    readFileSync(fileURLToPath(new URL('../../../docs/report.schema.json', import.meta.url)), 'utf8'),
  ) as JsonSchema;

  test('is the one that the code renders', () => {
    expect(published).toEqual(renderReportSchema());
  });

  test('accepts a written report', () => {
    expect(conforms(published, written())).toEqual([]);
  });
});
