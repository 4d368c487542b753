import {writeFileSync} from 'node:fs';
import {copyFile, mkdir, readdir, readFile, rename, rm, writeFile} from 'node:fs/promises';
import {connect} from 'node:net';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, describe, expect, it} from 'vitest';
import type {LogLine, RequestRecord} from '../../src/core/deployment.ts';
import {fixture} from '../instance.ts';
import {openBench, processesNaming, until, type Bench, type Started} from './thaw.ts';

interface Told {
  readonly schema: string;
  readonly event: string;
  readonly [field: string]: unknown;
}

/** A `thaw dev --json` that runs. */
interface Session {
  readonly child: Started;
  events(kind?: string): Told[];
  /** Waits for so many events of a kind, and gives the last of them. */
  nth(kind: string, count: number): Promise<Told>;
}

const handlerThatSays = (word: string): string =>
  `import {suffix} from './lib/suffix.mjs';
export async function predict() {
  return {says: ${JSON.stringify(word)} + suffix, level: process.env.LEVEL};
}
`;
const config = (level: string, rest = ''): string =>
  `name: worked-on\nmodel: {path: model/mlp.onnx}\nhandler: handler.mjs\nenv: {LEVEL: ${level}}\nproviders:\n  local: {}\n${rest}`;

const cannot =
  process.platform === 'linux' && process.arch === 'x64'
    ? ''
    : ' (its image is made of files of Linux on x64)';

describe.skipIf(cannot !== '')(`thaw dev${cannot}`, () => {
  let bench: Bench;
  let running: Session | null = null;
  const inProject = {cwd: 'demo'};
  const at = (...path: string[]): string => join(bench.dir, 'demo', ...path);

  async function start(...args: string[]): Promise<Session> {
    const child = bench.start(['dev', '--json', ...args], inProject);
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const events = (kind?: string): Told[] =>
      text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Told)
        .filter(({event}) => kind === undefined || event === kind);
    const session: Session = {
      child,
      events,
      async nth(kind, count) {
        await until(
          async () => {
            if (child.exitCode !== null) throw new Error(`thaw dev has ended:\n${text}\n${child.said()}`);
            return events(kind).length >= count;
          },
          `${count} times ${kind}, only\n${text}`,
          60_000,
        );
        return events(kind)[count - 1] as Told;
      },
    };
    running = session;
    return session;
  }

  async function stop({child}: Session, signal: 'SIGINT' | 'SIGTERM' = 'SIGTERM'): Promise<number | null> {
    child.kill(signal);
    return (await child.ended).code;
  }

  const urlOf = (told: Told): string => told['url'] as string;
  async function ask(url: string): Promise<{says: string; level?: string}> {
    const answer = await fetch(url, {method: 'POST', body: '{}'});
    return (await answer.json()) as {says: string; level?: string};
  }

  beforeAll(async () => {
    bench = await openBench();
    await mkdir(join(bench.dir, 'demo', 'lib'), {recursive: true});
    await mkdir(join(bench.dir, 'demo', 'model'));
    await copyFile(fixture('mlp.onnx'), at('model', 'mlp.onnx'));
  });
  afterEach(async () => {
    if (running !== null && running.child.exitCode === null) await stop(running);
    running = null;
    expect(await processesNaming(bench.stateDir)).toEqual([]);
  });
  afterAll(() => bench.leave());

  const begin = async (): Promise<void> => {
    await mkdir(at('lib'), {recursive: true});
    await writeFile(at('lib', 'suffix.mjs'), "export const suffix = '!';\n");
    await writeFile(at('handler.mjs'), handlerThatSays('one'));
    await writeFile(at('thaw.yaml'), config('low'));
  };

  it('answers with what was saved last, keeps the last that works, and leaves nothing', async () => {
    await begin();
    const dev = await start();
    const url = urlOf(await dev.nth('deployed', 1));
    expect(await ask(url)).toEqual({says: 'one!', level: 'low'});

    await writeFile(at('handler.mjs'), handlerThatSays('two'));
    expect(await dev.nth('deployed', 2)).toMatchObject({url, layers: ['handler'], settings: []});
    expect(await ask(url)).toMatchObject({says: 'two!'});

    // An editor that writes beside and renames, and a file that the handler only imports.
    await writeFile(at('lib', 'suffix.mjs~'), "export const suffix = '?';\n");
    await rename(at('lib', 'suffix.mjs~'), at('lib', 'suffix.mjs'));
    await dev.nth('deployed', 3);
    expect(await ask(url)).toMatchObject({says: 'two?'});

    await writeFile(at('handler.mjs'), `${handlerThatSays('three')}export function (`);
    expect(await dev.nth('failed', 1)).toMatchObject({error: {code: 'HANDLER_INVALID'}, serving: url});
    expect(await ask(url)).toMatchObject({says: 'two?'});

    await writeFile(at('handler.mjs'), `throw new Error('not today');\n${handlerThatSays('three')}`);
    const failure = (await dev.nth('failed', 2))['error'] as {code: string; message: string};
    expect(failure.code).toBe('INSTANCE_FAILED');
    expect(failure.message).toContain('not today');
    expect(await ask(url)).toMatchObject({says: 'two?'});

    await writeFile(at('handler.mjs'), handlerThatSays('four'));
    await dev.nth('deployed', 4);
    expect(await ask(url)).toMatchObject({says: 'four?'});

    await writeFile(at('thaw.yaml'), config('high', 'colour: red\n'));
    expect(await dev.nth('failed', 3)).toMatchObject({error: {code: 'CONFIG_INVALID'}});
    expect(await ask(url)).toMatchObject({level: 'low'});

    await writeFile(at('thaw.yaml'), config('high'));
    expect(await dev.nth('deployed', 5)).toMatchObject({url, layers: [], settings: ['env.LEVEL']});
    expect(await ask(url)).toMatchObject({level: 'high'});

    expect(await stop(dev)).toBe(0);
    expect(dev.events('stopped')).toMatchObject([{destroyed: ['worked-on'], left: []}]);
    expect(dev.events().every(({schema}) => schema === 'thaw.dev/1')).toBe(true);
    expect(await readdir(bench.stateDir, {recursive: true})).toEqual([]);
    expect(await listens(url)).toBe(false);
    expect((await readdir(at('.thaw'))).filter((name) => name.endsWith('.lock'))).toEqual([]);
  });

  it('loses no request while instances are replaced, and tells of every one', async () => {
    await begin();
    const dev = await start();
    const url = urlOf(await dev.nth('deployed', 1));
    const said: string[] = [];
    const words = ['a', 'b', 'c'];
    const done = new AbortController();
    const asking = [1, 2, 3].map(async () => {
      while (!done.signal.aborted) said.push((await ask(url)).says);
    });
    for (const [index, word] of words.entries()) {
      await writeFile(at('handler.mjs'), handlerThatSays(word));
      await dev.nth('deployed', 2 + index);
      // What is asked from now on is answered by the new one.
      expect((await ask(url)).says).toBe(`${word}!`);
      said.push(`${word}!`);
    }
    done.abort();
    await Promise.all(asking);
    expect(new Set(said)).toEqual(new Set(['one!', 'a!', 'b!', 'c!']));

    const told = await dev.nth('request', said.length);
    expect(told).toMatchObject({request: {method: 'POST', path: '/', status: 200}});
    const requests = dev.events('request') as unknown as {request: RequestRecord; class: string}[];
    expect(requests).toHaveLength(said.length);
    expect(requests.filter(({request}) => request.status !== 200)).toEqual([]);
    expect(requests.map((each) => each.class)).toContain('prewarmed');
    expect(requests.map((each) => each.class)).not.toContain('unknown');
    expect(await stop(dev, 'SIGINT')).toBe(0);
  });

  it('makes one more of what changes during a rebuild, in the state of the last save', async () => {
    await begin();
    const dev = await start();
    const url = urlOf(await dev.nth('deployed', 1));
    await writeFile(at('handler.mjs'), handlerThatSays('first'));
    await dev.nth('changed', 1);
    for (let nth = 1; nth <= 5; nth++) writeFileSync(at('handler.mjs'), handlerThatSays(`save ${nth}`));
    await until(async () => (await ask(url)).says === 'save 5!', 'the last save answers');
    await dev.nth('changed', 2);
    // One that is too many would follow at once.
    await writeFile(at('handler.mjs'), handlerThatSays('last'));
    await until(async () => (await ask(url)).says === 'last!', 'the last save answers');
    expect(dev.events('changed')).toHaveLength(3);
    expect(dev.events('failed')).toEqual([]);
  });

  it('begins with a handler that is wrong, and goes on when what it imports is there', async () => {
    await begin();
    await rm(at('lib'), {recursive: true});
    const dev = await start();
    expect(await dev.nth('failed', 1)).toMatchObject({error: {code: 'HANDLER_INVALID'}, serving: null});
    await mkdir(at('lib'));
    await writeFile(at('lib', 'suffix.mjs'), "export const suffix = '.';\n");
    expect(await ask(urlOf(await dev.nth('deployed', 1)))).toMatchObject({says: 'one.'});
  });

  it('shows what the handler writes, and leaves a deployment that was there before', async () => {
    await begin();
    expect(await bench.thaw(['package'], inProject)).toMatchObject({code: 0});
    expect(await bench.thaw(['deploy', '--yes'], inProject)).toMatchObject({code: 0});
    const dev = await start();
    const url = urlOf(await dev.nth('deployed', 1));
    await writeFile(at('handler.mjs'), `console.log('hello from here');\n${handlerThatSays('later')}`);
    await dev.nth('deployed', 2);
    await until(
      async () => (dev.events('log') as unknown as LogLine[]).some(({text}) => text === 'hello from here'),
      'what it writes is shown',
    );
    expect(await stop(dev)).toBe(0);
    expect(dev.events('stopped')).toMatchObject([{destroyed: [], left: ['worked-on']}]);
    expect(await ask(url)).toMatchObject({says: 'later!'});
    expect(await bench.thaw(['destroy', 'local', '--yes'], inProject)).toMatchObject({code: 0});
  });

  it('neither waits for a version that does not come to its start, nor leaves anything of it', async () => {
    await begin();
    const dev = await start();
    const url = urlOf(await dev.nth('deployed', 1));
    await writeFile(at('handler.mjs'), `await new Promise(() => {});\n${handlerThatSays('never')}`);
    await until(async () => (await processesNaming(bench.stateDir)).length > 2, 'the new version is tried');
    // The next save does not wait for it.
    await writeFile(at('handler.mjs'), handlerThatSays('right again'));
    await until(async () => (await ask(url)).says === 'right again!', 'the next save answers');
    expect(dev.events('failed')).toEqual([]);

    await writeFile(at('handler.mjs'), `await new Promise(() => {});\n${handlerThatSays('never')}`);
    await until(async () => (await processesNaming(bench.stateDir)).length > 2, 'it is tried');
    expect(await stop(dev)).toBe(0);
    expect(dev.events('stopped')).toMatchObject([{destroyed: ['worked-on']}]);
    expect(await readdir(bench.stateDir, {recursive: true})).toEqual([]);
  });

  it('tells it in lines, without --json', async () => {
    await begin();
    const child = bench.start(['dev', '--no-color'], inProject);
    let shown = '';
    child.stdout?.on('data', (chunk: Buffer) => (shown += chunk.toString()));
    await until(async () => shown.startsWith('local\thttp:'), 'the URL', 60_000);
    await ask(/http:\S+/.exec(shown)?.[0] ?? '');
    await until(async () => shown.includes('POST /'), 'a line for the request');
    await writeFile(at('handler.mjs'), 'export const x = ;');
    await until(async () => child.said().includes('handler.mjs:1:18'), 'the mistake');
    child.kill('SIGTERM');
    const {code, stderr} = await child.ended;
    expect(code).toBe(0);
    expect(shown).toMatch(
      /^\d\d:\d\d:\d\d POST \/ +200 +prewarmed +[\d.]+ ms( +infer [\d.]+ ms)? +[0-9a-f]{8}$/m,
    );
    expect(stderr).toContain('handler.mjs changed');
    expect(stderr).toContain('nothing of it is left');
    expect(await readFile(at('thaw.yaml'), 'utf8')).toBe(config('low'));
  });

  it('ends with what is wrong when thaw.yaml is wrong from the start', async () => {
    await begin();
    await writeFile(at('thaw.yaml'), config('low', 'colour: red\n'));
    expect(await bench.thaw(['dev'], inProject)).toMatchObject({code: 3});
  });
});

function listens(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
