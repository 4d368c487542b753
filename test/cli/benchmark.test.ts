import {createServer, type Server} from 'node:http';
import {mkdir, readdir, readFile, writeFile} from 'node:fs/promises';
import type {AddressInfo} from 'node:net';
import {basename, join} from 'node:path';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest';
import type {BudgetVerdict} from '../../src/core/budget.ts';
import type {Comparison} from '../../src/core/comparison.ts';
import type {Report} from '../../src/core/report.ts';
import {openBench, until, type Bench} from './thaw.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.leave());

/** An endpoint that thaw did not make. */
let server: Server;
let url: string;
/** What it does with a request: milliseconds, status, whether it tells of itself. */
let manner: {delayMs: number; status: number; evidence: boolean};
let seen: {method: string; headers: Record<string, unknown>; body: string}[];

beforeEach(async () => {
  manner = {delayMs: 2, status: 200, evidence: false};
  seen = [];
  const bornMs = performance.now();
  let ordinal = 0;
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      seen.push({method: request.method ?? '', headers: request.headers, body});
      setTimeout(() => {
        const told = {
          'thaw-boot': 'the-one',
          'thaw-ordinal': String(++ordinal),
          'thaw-boot-age': String(performance.now() - bornMs + 60_000),
        };
        response.writeHead(manner.status, {
          'content-type': 'application/json',
          ...(manner.evidence ? told : {}),
        });
        response.end('{"ok":true}');
      }, manner.delayMs);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/score`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const env = (): {[name: string]: string} => ({THAW_DATA_DIR: join(bench.dir, 'data')});

async function measure(...args: string[]): Promise<{code: number | null; report: Report; stderr: string}> {
  const {code, stdout, stderr} = await bench.thaw(['benchmark', ...args, '--json'], {env: env()});
  return {code, report: JSON.parse(stdout) as Report, stderr};
}

describe('any endpoint', () => {
  it('without evidence is measured all the same, as unknown, and the report says what that means', async () => {
    const {code, report} = await measure(url, '--warm', '40', '--data', '{"a": 1}', '--data', '{"b": 2}');
    expect(code).toBe(0);
    expect(report.function).toBeNull();
    const [endpoint] = report.providers;
    expect(endpoint?.classes).toMatchObject({cold: 0, warm: 0, unknown: 40});
    expect(endpoint?.unknown).toMatchObject({n: 40, p99Ms: null});
    expect(endpoint?.unknown?.p50Ms).toBeGreaterThanOrEqual(1.5);
    expect(endpoint?.notes.join(' ')).toMatch(/evidence/);
    expect(seen.slice(0, 3).map(({method, body}) => `${method} ${body}`)).toEqual([
      'POST {"a": 1}',
      'POST {"b": 2}',
      'POST {"a": 1}',
    ]);
  });

  it('with evidence is classed by it', async () => {
    manner = {...manner, evidence: true};
    const {report} = await measure(url, '--warm', '30');
    expect(report.providers[0]?.classes).toMatchObject({prewarmed: 1, warm: 29});
    expect(seen[0]?.method).toBe('GET');
  });

  it('is sent headers and a token whose values come out nowhere', async () => {
    const secret = 'opensesame-0815';
    const args = [
      url,
      '--warm',
      '6',
      '--header',
      `x-api-key: ${secret}`,
      '--export',
      `html=${bench.dir}/h.html`,
    ];
    const ended = await bench.thaw(['benchmark', ...args, '--verbose', '--bearer-env', 'TOKEN', '--json'], {
      env: {...env(), TOKEN: 'swordfish-4711'},
    });
    expect(ended.code).toBe(0);
    expect(seen[0]?.headers).toMatchObject({'x-api-key': secret, authorization: 'Bearer swordfish-4711'});
    expect((JSON.parse(ended.stdout) as Report).request.headers).toContain('x-api-key');
    const written = await readdir(bench.dir, {recursive: true, withFileTypes: true});
    const texts = await Promise.all(
      written
        .filter((entry) => entry.isFile())
        .map((entry) => readFile(join(entry.parentPath, entry.name), 'utf8')),
    );
    for (const text of [ended.stdout, ended.stderr, ...texts]) {
      expect(text.includes(secret) || text.includes('swordfish')).toBe(false);
    }
  });

  it('that fails again and again is given up early, with what was measured', async () => {
    manner = {...manner, status: 503};
    const {code, stdout, stderr} = await bench.thaw(['benchmark', url, '--warm', '200'], {env: env()});
    expect(code).toBe(5);
    expect(stderr).toContain('the first 5 requests all failed alike: HTTP 503');
    expect(stdout).toContain('503');
    expect(seen.length).toBe(5);
  });

  it('that is not there is said to be so', async () => {
    server.close();
    const {code, stderr} = await bench.thaw(['benchmark', 'http://127.0.0.1:1/', '--warm', '20'], {
      env: env(),
    });
    expect(code).toBe(5);
    expect(stderr).toMatch(/refused/);
  });

  it.each([
    {args: ['ftp://example.org/'], says: 'http:// or https://'},
    {args: ['--header', 'nonsense'], says: 'header'},
    {args: ['--rate', 'fast'], says: '--rate takes requests per second'},
    {args: ['--rate', '5', '--burst', '3'], says: 'exclude each other'},
    {args: ['--budget', 'cold.p95'], says: 'cold.p95=800ms'},
    {args: ['--export', 'pdf=x'], says: 'html, json, md, hdr'},
  ])('with $args is refused before the first request', async ({args, says}) => {
    const named = args[0]?.startsWith('ftp') ? [] : [url];
    const {code, stderr} = await bench.thaw(['benchmark', ...named, ...args], {env: env()});
    expect(code).toBe(2);
    expect(stderr).toContain(says);
    expect(seen).toEqual([]);
  });
});

describe('a load', () => {
  it('is sent by the clock, and counts a request from when it was due', async () => {
    const {code, report} = await measure(url, '--rate', '100', '--duration', '2s');
    expect(code).toBe(0);
    const load = report.providers[0]?.load;
    expect(load?.stages).toMatchObject([{perSecond: 100, due: 200, dropped: 0, answered: 200, failed: 0}]);
    expect(load?.timeline.reduce((sum, {due}) => sum + due, 0)).toBe(200);
    expect(seen.length).toBe(200);
  });
});

describe('budgets', () => {
  it('end with exit code 6 when one is exceeded, and name it; what too few samples cannot settle is said', async () => {
    manner = {...manner, delayMs: 20};
    const {code, report, stderr} = await measure(
      url,
      '--warm',
      '30',
      '--budget',
      'unknown.p50=5ms',
      '--budget',
      'unknown.p90=10s',
      '--budget',
      'unknown.p99=10s',
    );
    expect(code).toBe(6);
    const {budgets} = report as Report & {budgets: BudgetVerdict[]};
    expect(budgets.map(({budget, verdict}) => [budget.text, verdict])).toEqual([
      ['unknown.p50=5ms', 'exceeded'],
      ['unknown.p90=10s', 'within'],
      ['unknown.p99=10s', 'cannot-tell'],
    ]);
    expect(stderr).toContain('unknown.p99=10s: takes 299');
  });
});

describe('a run that was killed', () => {
  it('goes on with --resume: what was sampled is in the report, and nothing is fired twice', async () => {
    manner = {...manner, delayMs: 10};
    const args = ['benchmark', url, '--warm', '120', '--data', '{"a": 1}'];
    const killed = bench.start(args, {env: env()});
    await until(async () => seen.length >= 20 + Math.random() * 40, 'some requests');
    killed.kill('SIGKILL');
    await killed.ended;
    const before = seen.length;
    const {code, report} = await measure(...args.slice(1), '--resume');
    expect(code).toBe(0);
    expect(report.providers[0]?.classes.unknown).toBe(120);
    // The request that was under way when it was killed is the only one that may come again.
    expect(seen.length - before).toBeGreaterThanOrEqual(120 - before);
    expect(seen.length).toBeLessThanOrEqual(121);
    const again = await bench.thaw([...args, '--resume'], {env: env()});
    expect(again.code).toBe(2);
  });
});

describe('compare', () => {
  const exported = async (name: string): Promise<string> => {
    const file = join(bench.dir, `${name}.json`);
    await measure(url, '--warm', '60', '--export', `json=${file}`);
    return file;
  };

  it('says worse when it is worse, better the other way round, and of a report against itself neither', async () => {
    manner = {...manner, delayMs: 10};
    const before = await exported('before');
    manner = {...manner, delayMs: 40};
    const after = await exported('after');
    const compare = async (a: string, b: string): Promise<Comparison> =>
      JSON.parse((await bench.thaw(['compare', a, b, '--json'])).stdout) as Comparison;
    expect((await compare(before, after)).verdict).toBe('worse');
    expect((await compare(after, before)).verdict).toBe('better');
    expect(['same', 'cannot-tell']).toContain((await compare(before, before)).verdict);
    const shown = await bench.thaw(['compare', before, after]);
    expect(shown).toMatchObject({code: 0, stderr: ''});
    expect(shown.stdout).toContain('worse');
  });

  it('refuses what is no report of this schema, by name', async () => {
    await mkdir(join(bench.dir, 'odd'), {recursive: true});
    await writeFile(join(bench.dir, 'odd', 'old.json'), '{"schema": "thaw.report/0"}');
    const {code, stderr} = await bench.thaw(['compare', 'odd/old.json', 'odd/old.json']);
    expect(code).toBe(2);
    expect(stderr).toContain('thaw.report/0');
  });
});

describe('two projects in one run', () => {
  it('are held side by side, each with its own request and the size of its image', async () => {
    for (const name of ['before', 'after']) {
      await bench.thaw(['init', name, '--template', 'tabular', '--yes']);
      const file = join(bench.dir, name, 'thaw.yaml');
      await writeFile(file, (await readFile(file, 'utf8')).replace('quantize: auto', 'quantize: none'));
      const packaged = await bench.thaw(['package'], {cwd: name});
      expect(packaged.code, packaged.stderr).toBe(0);
      expect((await bench.thaw(['deploy', 'local', '--yes'], {cwd: name})).code).toBe(0);
    }
    const {code, report} = await measure('./before', './after', '--cold', '2', '--warm', '5');
    expect(code).toBe(0);
    expect(report.function).toBeNull();
    expect(report.providers.map(({provider}) => provider)).toEqual(['before', 'after']);
    for (const {cold, warm, imageBytes} of report.providers) {
      expect([cold.n, warm.n]).toEqual([2, 5]);
      expect(imageBytes).toBeGreaterThan(1e6);
    }
    const shown = await bench.thaw(['benchmark', './before', './after', '--cold', '0', '--warm', '5'], {
      env: env(),
    });
    expect(shown.stdout).toMatch(
      /side by side +cold p50 +warm p50 +size\nbefore +[\d.]+ ms +image [\d.]+ MB\n/,
    );

    const same = await bench.thaw(['benchmark', './before', '../' + basename(bench.dir) + '/before']);
    expect(same).toMatchObject({code: 2, stdout: ''});
    expect(same.stderr).toContain('two targets are called before');
  }, 120_000);
});
