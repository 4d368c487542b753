import {describe, expect, it} from 'vitest';
import {ThawError} from '../../../src/core/errors.ts';
import type {Json} from '../../../src/core/json.ts';
import {parseOptions} from '../../../src/providers/local/options.ts';

function problemsOf(raw: Json): {path: string[]; message: string; knownKeys?: string[]}[] {
  try {
    parseOptions(raw);
  } catch (error) {
    if (error instanceof ThawError && error.code === 'CONFIG_INVALID')
      return error.facts['problems'] as never;
    throw error;
  }
  return [];
}

describe('the section providers.local', () => {
  it('is complete when nothing is written', () => {
    const defaults = {engine: 'auto', emulate: null, idleTimeoutMs: 300_000, port: null, replace: null};
    expect(parseOptions({})).toEqual(defaults);
    expect(parseOptions(null)).toEqual(defaults);
  });

  it('is read as it is written', () => {
    const written = {
      engine: 'process',
      emulate: 'lambda',
      idleTimeout: '1.5s',
      port: 8080,
      replace: 'when-ready',
    };
    expect(parseOptions(written)).toEqual({
      engine: 'process',
      emulate: 'lambda',
      idleTimeoutMs: 1500,
      port: 8080,
      replace: 'when-ready',
    });
  });

  it('gets every mistake reported at once, each at its path', () => {
    const problems = problemsOf({engine: 'vm', idleTimeout: 5, port: 70_000, idelTimeout: '5m'});
    expect(problems.map(({path}) => path)).toEqual([['idelTimeout'], ['engine'], ['idleTimeout'], ['port']]);
    expect(problems[0]).toEqual({
      path: ['idelTimeout'],
      message: 'unknown key',
      unknownKey: true,
      knownKeys: ['engine', 'emulate', 'idleTimeout', 'port', 'replace'],
    });
    expect(problems[2]?.message).toContain('not 5');
  });

  it('refuses another moment to replace than it knows', () => {
    expect(problemsOf({replace: 'at-once'}).map(({path}) => path)).toEqual([['replace']]);
  });

  it.each([0, 65_536, 1.5, '80'])('refuses the port %j', (port) => {
    expect(problemsOf({port}).map(({path}) => path)).toEqual([['port']]);
  });

  it.each(['5', '25h', '-1s', ''])('refuses the idle timeout %j', (idleTimeout) => {
    expect(problemsOf({idleTimeout}).map(({path}) => path)).toEqual([['idleTimeout']]);
  });

  it.each(['Lambda', '', 1, ['lambda']])('refuses to emulate %j', (emulate) => {
    expect(problemsOf({emulate}).map(({path}) => path)).toEqual([['emulate']]);
  });

  it.each(['local', [1], 3])('refuses %j in the place of a map', (raw) => {
    expect(problemsOf(raw)).toHaveLength(1);
  });
});
