// The load generators that bench/load.mjs holds thaw's against: how each is asked for a rate and how it answers.
// Those that send by the clock come first. `wait` says from when a tool counts, by its own documentation.
import {spawn} from 'node:child_process';
import {accessSync, constants, readFileSync, writeFileSync} from 'node:fs';
import {homedir} from 'node:os';
import {delimiter, join} from 'node:path';

/** Finds a program on the path, or where Go and Cargo put what they install. */
export function findProgram(name, moreDirs = []) {
  const dirs = [
    ...moreDirs,
    ...(process.env.PATH ?? '').split(delimiter),
    process.env.GOBIN ?? join(process.env.GOPATH ?? join(homedir(), 'go'), 'bin'),
    join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'bin'),
  ].filter((dir) => dir !== '');
  const suffixes = process.platform === 'win32' ? ['.exe', '.cmd', ''] : [''];
  for (const file of dirs.flatMap((dir) => suffixes.map((suffix) => join(dir, name + suffix)))) {
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not here.
    }
  }
  return null;
}

/** Runs a program to its end, bounded in time; resolves to its standard output. */
export function run(file, args, {env, input = '', timeoutMs}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {env, stdio: 'pipe', timeout: timeoutMs});
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(stdout);
      else reject(new Error(`${file} ended with ${signal ?? code}: ${stderr.slice(-500)}`));
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

const seconds = (ms) => ms / 1000;
const ofText = (text, pattern) => {
  const found = pattern.exec(text)?.[1];
  return found === undefined ? null : Number(found);
};
/** `8.02ms`, `1.01s`, `950.00us` in milliseconds. */
const ofDuration = (text, pattern) => {
  const [, value, unit] = pattern.exec(text) ?? [];
  return value === undefined ? null : Number(value) * {us: 0.001, ms: 1, s: 1000, m: 60_000}[unit];
};

const wrkLatency = (text) => ({
  p50: ofDuration(text, /^\s+50(?:\.000)?%\s+([\d.]+)(us|ms|s|m)$/m),
  p90: ofDuration(text, /^\s+90(?:\.000)?%\s+([\d.]+)(us|ms|s|m)$/m),
  p99: ofDuration(text, /^\s+99(?:\.000)?%\s+([\d.]+)(us|ms|s|m)$/m),
  max: ofDuration(text, /^\s+Latency\s+\S+\s+\S+\s+([\d.]+)(us|ms|s|m)\s/m),
  perSecond: ofText(text, /^Requests\/sec:\s+([\d.]+)/m),
});

export const TOOLS = [
  {
    name: 'vegeta',
    sends: 'by the clock',
    get: 'go install the module tsenart/vegeta/v12',
    async attack(file, {url, perSecond, durationMs, dir, options}) {
      const results = join(dir, 'vegeta.bin');
      const attack = ['attack', `-rate=${perSecond}/s`, `-duration=${durationMs}ms`, `-output=${results}`];
      await run(file, attack, {...options, input: `GET ${url}\n`});
      const {latencies, rate} = JSON.parse(await run(file, ['report', '-type=json', results], options));
      const ms = (name) => latencies[name] / 1e6;
      return {p50: ms('50th'), p90: ms('90th'), p99: ms('99th'), max: ms('max'), perSecond: rate};
    },
  },
  {
    name: 'k6',
    sends: 'by the clock',
    get: 'go install the module k6',
    async attack(file, {url, perSecond, durationMs, dir, options}) {
      const script = join(dir, 'k6.js');
      const summary = join(dir, 'k6.json');
      const executor = {
        executor: 'constant-arrival-rate',
        rate: perSecond,
        timeUnit: '1s',
        duration: `${durationMs}ms`,
        preAllocatedVUs: 100,
        maxVUs: Math.ceil(perSecond * 1.25),
      };
      const settings = {
        scenarios: {load: executor},
        summaryTrendStats: ['med', 'p(90)', 'p(99)', 'max'],
        discardResponseBodies: true,
      };
      writeFileSync(
        script,
        `import http from 'k6/http';
export const options = ${JSON.stringify(settings)};
export default function () { http.get(${JSON.stringify(url)}); }
export function handleSummary(data) { return {${JSON.stringify(summary)}: JSON.stringify(data)}; }
`,
      );
      await run(file, ['run', '--quiet', '--no-usage-report', script], options);
      const {metrics} = JSON.parse(readFileSync(summary, 'utf8'));
      const {med, max, ...tail} = metrics.http_req_duration.values;
      return {
        p50: med,
        p90: tail['p(90)'],
        p99: tail['p(99)'],
        max,
        perSecond: metrics.http_reqs.values.count / seconds(durationMs),
        dropped: metrics.dropped_iterations?.values.count ?? 0,
      };
    },
  },
  {
    name: 'oha',
    sends: 'by the clock, 200 at once at most',
    get: 'cargo install oha',
    async attack(file, {url, perSecond, durationMs, options}) {
      const args = ['--no-tui', '-q', perSecond, '-z', `${durationMs}ms`, '-c', 200, '--latency-correction'];
      const answer = JSON.parse(
        await run(file, [...args.map(String), '--output-format', 'json', url], options),
      );
      const {p50, p90, p99} = answer.latencyPercentiles;
      const {slowest, requestsPerSec} = answer.summary;
      return {p50: p50 * 1e3, p90: p90 * 1e3, p99: p99 * 1e3, max: slowest * 1e3, perSecond: requestsPerSec};
    },
  },
  {
    name: 'wrk2',
    sends: 'by the clock, 200 at once at most',
    get: 'build it from its source',
    async attack(file, {url, perSecond, durationMs, options}) {
      const args = ['-t', 1, '-c', 200, '-d', `${seconds(durationMs)}s`, '-R', perSecond, '--latency', url];
      return wrkLatency(await run(file, args.map(String), options));
    },
  },
  {
    name: 'hey',
    sends: '20 in turn, each at most so fast',
    get: 'go install the module rakyll/hey',
    async attack(file, {url, perSecond, durationMs, options}) {
      const args = ['-z', `${durationMs}ms`, '-c', 20, '-q', perSecond / 20, url];
      const text = await run(file, args.map(String), options);
      const quantile = (q) => (ofText(text, new RegExp(`^\\s+${q}%+ in ([\\d.]+) secs`, 'm')) ?? NaN) * 1e3;
      return {
        p50: quantile(50),
        p90: quantile(90),
        p99: quantile(99),
        max: (ofText(text, /Slowest:\s+([\d.]+) secs/) ?? NaN) * 1e3,
        perSecond: ofText(text, /Requests\/sec:\s+([\d.]+)/),
      };
    },
  },
  {
    name: 'autocannon',
    sends: '20 in turn, a second’s requests in bursts',
    get: 'npm install autocannon, or give --install',
    async attack(file, {url, perSecond, durationMs, options}) {
      const args = ['-R', perSecond, '-c', 20, '-d', seconds(durationMs), '-j', '-n', url].map(String);
      const [program, ...first] = file.endsWith('.js') ? [process.execPath, file] : [file];
      const {latency, requests} = JSON.parse(await run(program, [...first, ...args], options));
      const {p50, p90, p99, max} = latency;
      return {p50, p90, p99, max, perSecond: requests.average};
    },
  },
  {
    name: 'wrk',
    sends: '5 in turn, as fast as they come back',
    get: 'apt-get install wrk',
    async attack(file, {url, durationMs, options}) {
      const args = ['-t', 1, '-c', 5, '-d', `${seconds(durationMs)}s`, '--latency', url];
      return wrkLatency(await run(file, args.map(String), options));
    },
  },
];
