import {readFile, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {differencesOf, HANDLERS} from '../../fixtures/handlers/index.ts';

describe('the handlers of the fixtures', () => {
  it.each(HANDLERS)('$name is all there', async ({dir, handler, requirements, model, requests}) => {
    const [file = ''] = handler.split(':');
    for (const path of [file, ...(model === null ? [] : [model])]) {
      expect((await stat(join(dir, path))).isFile(), path).toBe(true);
    }
    const required = await readFile(join(dir, 'requirements.txt'), 'utf8').catch(() => '');
    expect(required.split('\n').flatMap((line) => /^[\w-]+/.exec(line)?.[0] ?? [])).toEqual(requirements);
    expect(requests.length).toBeGreaterThan(0);
    for (const {kind, expected} of requests) {
      expect(expected.status === undefined).toBe(kind === 'event');
      expect((expected.json === undefined) !== (expected.text === undefined)).toBe(true);
    }
  });

  it('are held to every value of an answer, numbers to a millionth', () => {
    const expected = {a: [1, 'x', null], b: {c: 0.5}};
    expect(differencesOf({a: [1.000_000_5, 'x', null], b: {c: 0.5}}, expected)).toEqual([]);
    expect(differencesOf({a: [1.000_01, 'x'], b: {c: '0.5'}, d: true}, expected)).toEqual([
      '$.a.0: 1.00001 is not 1',
      '$.a.2 is missing',
      '$.b.c: "0.5" is not 0.5',
      '$.d is not expected',
    ]);
    expect(differencesOf([], {})).toEqual(['$: [] is not {}']);
  });
});
