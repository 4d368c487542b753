import {describe, expect, it} from 'vitest';
import {inspectHandler, parseHandlerAnswer} from '../../../src/python/inspect-handler.ts';
import type {RunProgram} from '../../../src/python/run.ts';

const python = {command: 'python3'};
const signal = new AbortController().signal;

describe('what the inspecting program says', () => {
  it('is the inspection where all was well', () => {
    const found = {python: '3.12.1', modules: ['app.py'], packages: []};
    expect(parseHandlerAnswer(JSON.stringify({ok: true, ...found}))).toEqual(found);
  });

  it('is an error with its place where the file is no Python', () => {
    const answer = {ok: false, reason: 'syntax', message: 'app.py:3:7 is no Python 3.12: invalid syntax'};
    expect(() =>
      parseHandlerAnswer(JSON.stringify({...answer, file: 'app.py', line: 3, column: 7, text: null})),
    ).toThrow(
      expect.objectContaining({
        code: 'HANDLER_INVALID',
        message: answer.message,
        facts: {reason: 'syntax', file: 'app.py', line: 3, column: 7},
      }),
    );
  });

  it.each(['', 'Traceback', '{"ok": null}', '{"ok": false}', '[]'])('is nothing else: %j', (stdout) => {
    expect(parseHandlerAnswer(stdout)).toBeNull();
  });
});

describe('the inspecting program', () => {
  it('is told the file on its input, and what it died of is said', async () => {
    const calls: {program: string; args: readonly string[]; input: string}[] = [];
    const run: RunProgram = async (program, args, {input}) => {
      let told = '';
      for await (const piece of input ?? []) told += Buffer.from(piece).toString();
      calls.push({program, args, input: told});
      return {exitCode: 1, systemCode: null, stdout: '', stderr: 'Traceback\nMemoryError: too much\n'};
    };
    const file = {root: '/project', file: 'app.py', name: null};
    await expect(inspectHandler(file, python, {run, signal, programsDir: 'programs'})).rejects.toMatchObject({
      code: 'HANDLER_INVALID',
      message: 'app.py could not be read by python3: MemoryError: too much',
      facts: {reason: 'unreadable', lastLines: ['Traceback', 'MemoryError: too much']},
    });
    expect(calls).toHaveLength(1);
    expect(JSON.parse(calls[0]?.input ?? '')).toEqual(file);
  });
});
