import {mkdir, mkdtemp, realpath, rename, rm, symlink, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, describe, expect, it} from 'vitest';
import {ChangeQueue} from '../../../src/cli/dev/change-queue.ts';
import {describeLine} from '../../../src/cli/dev/describe-line.ts';
import {renderDeployed, renderRequest} from '../../../src/cli/dev/show-event.ts';
import {watchFiles, type FileWatch} from '../../../src/cli/dev/watch-files.ts';
import {countsAsChange, mayMatter, watchedOf} from '../../../src/cli/dev/watched.ts';
import {overrideOption} from '../../../src/cli/override-option.ts';
import {Terminal} from '../../../src/cli/terminal.ts';
import type {RequestRecord} from '../../../src/core/deployment.ts';
import {digestOf} from '../../../src/core/digest.ts';
import type {Clock} from '../../../src/core/ports.ts';
import {localDriver} from '../../../src/providers/local/driver.ts';

/** A clock that goes only where it is put; whoever sleeps wakes when it is past their time. */
class HeldClock implements Clock {
  #nowMs = 0;
  readonly #sleepers = new Set<{readonly untilMs: number; wake(): void}>();

  now(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    return new Promise((wake) => this.#sleepers.add({untilMs, wake}));
  }

  async pass(ms: number): Promise<void> {
    this.#nowMs += ms;
    for (const sleeper of this.#sleepers) {
      if (sleeper.untilMs > this.#nowMs) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('the queue of changes', () => {
  const open = (): {clock: HeldClock; queue: ChangeQueue; batches: string[][]; stop: AbortController} => {
    const clock = new HeldClock();
    const queue = new ChangeQueue(clock, 50);
    return {clock, queue, batches: [], stop: new AbortController()};
  };

  it('gives out together what changes until nothing has for a while', async () => {
    const {clock, queue, batches, stop} = open();
    const next = queue.next(stop.signal).then((batch) => batches.push([...(batch ?? [])]));
    queue.add('a');
    await clock.pass(40);
    queue.add('b');
    queue.add('a');
    await clock.pass(40);
    expect(batches).toEqual([]);
    await clock.pass(10);
    await next;
    expect(batches).toEqual([['a', 'b']]);
  });

  it('makes one batch of all that changes while the last one is worked on', async () => {
    const {clock, queue, stop} = open();
    queue.add('a');
    await clock.pass(50);
    expect(await queue.next(stop.signal)).toEqual(new Set(['a']));
    queue.add('a');
    await clock.pass(500);
    queue.add('b');
    await clock.pass(500);
    expect(await queue.next(stop.signal)).toEqual(new Set(['a', 'b']));
    let further = false;
    void queue.next(stop.signal).then(() => (further = true));
    await clock.pass(500);
    expect(further).toBe(false);
    stop.abort();
  });

  it('ends when it is told to, whether or not it waits for something', async () => {
    const {queue, stop} = open();
    const next = queue.next(stop.signal);
    stop.abort();
    expect(await next).toBeNull();
    queue.add('a');
    expect(await queue.next(stop.signal)).toBeNull();
  });
});

describe('what counts as a change', () => {
  const at = (...path: string[]): string => join('/work', 'demo', ...path);
  const models = join('/work', 'models', 'a.onnx');
  const watched = watchedOf(at(), [at('handler.mjs'), at('.hidden', 'model.onnx'), models]);

  it('is what the function was made from, wherever that lies', () => {
    expect(
      [at('handler.mjs'), at('.hidden', 'model.onnx'), models].map((file) =>
        countsAsChange(file, false, watched),
      ),
    ).toEqual([true, true, true]);
    expect(
      [at('other.mjs'), at('notes.md'), at('.thaw', 'image', 'index.json')].map((file) =>
        countsAsChange(file, false, watched),
      ),
    ).toEqual([false, false, false]);
  });

  it('is any source of the project once a build has failed', () => {
    expect(countsAsChange(at('lib', 'other.ts'), true, watched)).toBe(true);
    expect(countsAsChange(at('package.json'), true, watched)).toBe(true);
    expect(countsAsChange(at('photo.jpg'), true, watched)).toBe(false);
    expect(countsAsChange(at('node_modules', 'a', 'index.js'), true, watched)).toBe(false);
    expect(countsAsChange(join('/work', 'other', 'a.mjs'), true, watched)).toBe(false);
  });

  it('leaves out folders of tools, but for what the function was made from', () => {
    expect(
      ['.git', '.thaw', 'node_modules', join('lib', 'node_modules')].map((folder) =>
        mayMatter(at(folder), false, watched),
      ),
    ).toEqual([false, false, false, false]);
    expect(mayMatter(at('.hidden'), false, watched)).toBe(true);
    expect(mayMatter(at('.hidden', 'other.json'), true, watched)).toBe(false);
    expect(mayMatter(join('/work', 'models', 'b.onnx'), true, watched)).toBe(false);
  });
});

describe('the watch', () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close();
  });

  async function open(): Promise<{
    home: string;
    dir: string;
    watch: FileWatch;
    seen: (file: string) => Promise<void>;
  }> {
    const home = await realpath(await mkdtemp(join(tmpdir(), 'thaw-watch-')));
    closing.push(() => rm(home, {recursive: true, force: true}));
    const dir = join(home, 'project');
    await mkdir(join(dir, 'node_modules'), {recursive: true});
    await writeFile(join(dir, 'handler.mjs'), '1');
    const changes: string[] = [];
    const watch = await watchFiles(dir, (file) => changes.push(file));
    closing.push(() => watch.close());
    const seen = async (file: string): Promise<void> => {
      const endMs = Date.now() + 20_000;
      while (!changes.includes(file)) {
        if (Date.now() > endMs) throw new Error(`${file} was not seen among ${changes.join(', ')}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      // What one writing sets off has come by then.
      await new Promise((resolve) => setTimeout(resolve, 150));
      changes.length = 0;
    };
    return {home, dir, watch, seen};
  }

  it('sees a file that is written, replaced by another, and that vanishes and comes back, again and again', async () => {
    const {dir, watch, seen} = await open();
    const file = join(dir, 'handler.mjs');
    await watch.follow([file]);
    for (let round = 0; round < 3; round++) {
      await writeFile(file, `written ${round}`);
      await seen(file);
      await writeFile(`${file}.tmp`, `replaced ${round}`);
      await rename(`${file}.tmp`, file);
      await seen(file);
      await rm(file);
      await seen(file);
      await writeFile(file, `back ${round}`);
      await seen(file);
    }
  });

  it('sees files in new folders, and a folder that is deleted and made again', async () => {
    const {dir, seen} = await open();
    const file = join(dir, 'lib', 'deep', 'a.mjs');
    for (let round = 0; round < 2; round++) {
      await mkdir(join(dir, 'lib', 'deep'), {recursive: true});
      await writeFile(file, `${round}`);
      await seen(file);
      await rm(join(dir, 'lib'), {recursive: true});
      await seen(file);
    }
  });

  it('sees followed files outside the project and of any kind, also when they are replaced or behind a link', async () => {
    const {home, dir, watch, seen} = await open();
    const outside = join(home, 'models', 'a.onnx');
    const inside = join(dir, 'model.onnx');
    await mkdir(join(home, 'models'));
    await writeFile(outside, '1');
    await symlink(outside, join(dir, 'linked.onnx'));
    await writeFile(inside, '1');
    await watch.follow([join(dir, 'linked.onnx'), inside]);
    for (const file of [outside, inside]) {
      for (let round = 0; round < 2; round++) {
        await writeFile(`${file}.tmp`, `replaced ${round}`);
        await rename(`${file}.tmp`, file);
        await seen(file);
        await writeFile(file, `written ${round}`);
        await seen(file);
      }
    }
  });
});

describe('a line of thaw dev', () => {
  const {paint} = new Terminal({json: false, quiet: false, verbose: false, color: false});
  const record: RequestRecord = {
    method: 'POST',
    path: '/',
    status: 200,
    waitedMs: 80,
    totalMs: 85.4,
    problem: null,
    evidence: {
      'thaw-boot': '0e6b47de-0000-4000-8000-000000000000',
      'thaw-ordinal': '1',
      'thaw-boot-age': '70.5',
      'server-timing': 'boot;dur=20, infer;dur=0.91',
    },
  };
  const line = (request: RequestRecord, instance = '0e6b47de'): string => {
    const event = describeLine({
      at: '2026-01-01T00:00:00.000Z',
      instance,
      stream: 'request',
      text: '',
      request,
    });
    if (event.event !== 'request') throw new Error('a request was taken for something else');
    return renderRequest(event, paint);
  };

  it('says how the instance started, by evidence', () => {
    expect(line(record)).toMatch(/^POST \/ +200 +cold +85\.4 ms +infer 0\.91 ms +0e6b47de$/);
    expect(line({...record, waitedMs: 60})).toContain('prewarmed');
    expect(
      line({...record, evidence: {...record.evidence, 'thaw-ordinal': '2', 'thaw-boot-age': '900'}}),
    ).toContain('warm');
    expect(line({...record, evidence: {}})).toContain('unknown');
  });

  it('says why no instance answered', () => {
    const refused = {
      ...record,
      status: 502,
      waitedMs: null,
      evidence: {},
      problem: 'an instance could not start',
    };
    expect(line(refused, '')).toMatch(/^POST \/ +502 +85\.4 ms +an instance could not start$/);
  });

  it('says what was made anew', () => {
    const deployed = {
      provider: 'local',
      function: 'demo',
      url: 'http://127.0.0.1:1/',
      version: '2',
      image: digestOf('a'),
      first: false,
      layers: [],
      settings: [],
      totalMs: 412,
    } as const;
    expect(renderDeployed({...deployed, layers: ['handler'], settings: ['env.A', 'env.B']})).toBe(
      'handler rebuilt; env.A, env.B changed; live after 412 ms',
    );
    expect(renderDeployed(deployed)).toBe('the same as before (412 ms)');
  });
});

describe('a flag that says another value of an option than thaw.yaml', () => {
  const provider = {
    config: {name: 'local', options: {idleTimeout: '1m'}, settings: {} as never},
    driver: localDriver,
    site: localDriver.open({}),
  };

  it('may be a whole number where the option is one', () => {
    expect(overrideOption(provider, 'port', '8080').config.options).toEqual({idleTimeout: '1m', port: 8080});
    expect(() => overrideOption(provider, 'port', 'eighty')).toThrow(
      '--port must be a whole number, not eighty',
    );
    expect(() => overrideOption(provider, 'port', '70000')).toThrow('65535');
    expect(() => overrideOption(provider, 'idleTimeout', '5m')).toThrow('cannot be used');
  });
});
