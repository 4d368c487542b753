import {execFile} from 'node:child_process';
import {chmod, mkdtemp, readdir, readFile, rm, stat, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {promisify} from 'node:util';
import {afterAll, afterEach, beforeAll, describe, expect, test} from 'vitest';
import type {StartupRecord, Status} from '../../src/core/deployment.ts';
import {readRunFile} from '../../src/benchmark/run-file.ts';
import {median} from '../../src/benchmark/statistics.ts';
import type {Report} from '../../src/core/report.ts';
import type {Sample} from '../../src/core/sample.ts';
import {createHttp} from '../../src/net/http.ts';
import {pathsOf} from '../../src/providers/local/paths.ts';
import {openBench, type Bench} from '../cli/thaw.ts';
import {platformMs} from '../traced.ts';
import {findMissing, skippedFor} from './debian-registry.ts';
import {findMissingForDocker, openDocker, type TestDocker} from './docker.ts';
import {makeProject, succeed} from './local-docker.ts';

const run = promisify(execFile);

const missing = findMissingForDocker();
const missingForPodman = process.getuid?.() === 0 ? findMissing(['podman']) : ['podman and root'];
const HOOKS_MS = 600_000;
const SECRET = 'tok/en+with?odd=chars&"quotes"-4711';

const IDS = Array.from({length: 1000}, (_, nth) => `request-${nth}`);

/** Does what a request tells it to, and tells what it sees from inside. */
const HANDLER = `
import {readFileSync, writeFileSync} from 'node:fs';
const kept = [];
const tryWrite = (file) => { try { writeFileSync(file, 'x'); return 'written'; } catch (error) { return error.code; } };
export async function predict(input) {
  for (let mb = 0; mb < (input.leakMb ?? 0); mb++) kept.push(Buffer.alloc(1 << 20, 1));
  if (input.fillHeap) for (;;) kept.push({at: kept.length, more: new Array(1000).fill(kept.length)});
  const line = 'x'.repeat((1 << 16) - 1) + '\\n';
  for (let done = 0; done < (input.printMb ?? 0) * 16; done++) process.stdout.write(line);
  if (input.id) console.log(\`seen \${input.id}.\`);
  if (input.waitMs) await new Promise((resolve) => setTimeout(resolve, input.waitMs));
  return {
    id: input.id,
    uid: process.getuid(),
    root: tryWrite('/opt/thaw/x'),
    tmp: tryWrite('/tmp/x'),
    status: readFileSync('/proc/self/status', 'utf8'),
    env: process.env,
  };
}
`;

describe.skipIf(missing.length > 0)(`functions in containers${skippedFor(missing)}`, () => {
  const name = 'in-containers';
  let engine: TestDocker;
  let bench: Bench;
  let project: {cwd: string; env: {[name: string]: string}};

  beforeAll(async () => {
    [engine, bench] = await Promise.all([openDocker(), openBench()]);
    project = {cwd: name, env: {...engine.env, TOKEN: SECRET}};
    await makeProject(bench, name, {
      handler: HANDLER,
      yaml: (text) =>
        `${text
          .replace('memory: 512Mi', 'memory: 256Mi')
          .replace('max: 10', 'max: 20')
          .replace(
            /env:\n.*\n/,
            'env: {HTTP_PROXY: "http://user:pass@nobody:1", LINES: "one\\ntwo"}\n',
          )}\nsecrets: {TOKEN: env}\n`,
    });
    await succeed(bench.thaw(['package'], project));
  }, HOOKS_MS);

  afterEach(async () => {
    await succeed(bench.thaw(['destroy', 'local', '--yes'], project));
    expect(await containers()).toEqual([]);
    expect(await engine.docker('images', '-q', 'thaw-local/in-containers')).toBe('');
    expect(await processesNaming(bench.stateDir)).toEqual([]);
    expect(await readdir(bench.stateDir, {recursive: true}).catch(() => [])).toEqual([]);
  }, HOOKS_MS);

  afterAll(async () => {
    await bench?.leave();
    await engine?.stop();
  }, HOOKS_MS);

  const containers = async (): Promise<string[]> => {
    const listed = await engine.docker(
      'ps',
      '-a',
      '--format',
      '{{.Names}}',
      '--filter',
      'label=thaw.function=in-containers',
    );
    return listed.split('\n').filter((line) => line !== '');
  };
  const deploy = async (): Promise<string> => {
    const {stdout} = await succeed(bench.thaw(['deploy', 'local', '--yes'], project));
    return stdout.trim().split('\t')[1] ?? '';
  };
  const status = async (): Promise<Status> => {
    const {stdout} = await succeed(bench.thaw(['status', 'local', '--json'], project));
    return (JSON.parse(stdout) as {providers: Status[]}).providers[0] as Status;
  };
  const logs = async (): Promise<string> => (await succeed(bench.thaw(['logs', 'local'], project))).stdout;
  const post = async (
    url: string,
    body: object = {},
  ): Promise<{status: number; body: Record<string, never>}> => {
    const answer = await fetch(url, {method: 'POST', body: JSON.stringify(body)});
    return {status: answer.status, body: (await answer.json()) as Record<string, never>};
  };
  /** The ids of the requests that handlers have been given, as the log has them when its gateway is gone too. */
  const seen = async (): Promise<string[]> => {
    const log = await readFile(pathsOf(bench.stateDir, name).log, 'utf8');
    return [...log.matchAll(/seen (request-\d+)\./g)].map(([, id]) => id ?? '');
  };
  /** Sends a thousand, fifty at a time. Gives the status of each; null where no answer came. */
  async function sendThousand(
    url: string,
    onAnswer: (count: number) => void,
  ): Promise<Map<string, number | null>> {
    const outcomes = new Map<string, number | null>();
    const waiting = [...IDS];
    let answered = 0;
    const send = async (): Promise<void> => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
        const answer = await post(url, {id}).catch(() => null);
        if (answer?.status === 200) expect(answer.body['id']).toBe(id);
        outcomes.set(id, answer?.status ?? null);
        if (answer !== null) onAnswer(++answered);
      }
    };
    await Promise.all(Array.from({length: 50}, send));
    return outcomes;
  }
  async function eventually(what: string, so: () => Promise<boolean>): Promise<void> {
    for (let tries = 0; !(await so()); tries++) {
      if (tries === 240) expect.fail(`not within a minute: ${what}`);
      await sleep(250);
    }
  }

  test('are locked up, and get their environment without anybody seeing it', async () => {
    const url = await deploy();
    const inside = (await post(url)).body as unknown as {
      [fact in 'root' | 'tmp' | 'status']: string;
    } & {uid: number; env: {[name: string]: string}};
    expect(inside).toMatchObject({uid: 65532, root: 'EROFS', tmp: 'written'});
    expect(inside.status).toMatch(/^CapEff:\t0+$/m);
    expect(inside.status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(inside.env).toMatchObject({
      TOKEN: SECRET,
      HTTP_PROXY: 'http://user:pass@nobody:1',
      LINES: 'one\ntwo',
      PORT: '8080',
    });
    const [container] = await containers();
    const {
      HostConfig: limits,
      HostConfig: {PortBindings: ports},
    } = JSON.parse(await engine.docker('inspect', '--format', '{{json .}}', container ?? '')) as {
      HostConfig: {[name: string]: unknown; PortBindings: {[port: string]: [{HostIp: string}]}};
    };
    expect(limits).toMatchObject({Memory: 256 << 20, MemorySwap: 256 << 20, PidsLimit: 1024});
    expect(ports['8080/tcp']?.[0].HostIp).toBe('127.0.0.1');
    for (const {command} of await allProcesses()) expect(command).not.toContain(SECRET);
  });

  test('that leak are killed at their limit, and the request is told why', async () => {
    const url = await deploy();
    expect((await post(url)).status).toBe(200);
    const killed = await post(url, {leakMb: 1000});
    expect(killed.status).toBe(502);
    expect(killed.body['error']).toMatchObject({
      code: 'OUT_OF_MEMORY',
      message: expect.stringContaining('was killed: out of memory (limit 256 MB)') as string,
    });
    expect(await logs()).toContain('it was killed: out of memory (limit 256 MB)');
    // The next one finds a new instance.
    expect((await post(url)).status).toBe(200);

    const full = await post(url, {fillHeap: true});
    expect(full.status).toBe(502);
    expect(full.body['error']).toMatchObject({code: 'OUT_OF_MEMORY'});
    expect((await post(url)).status).toBe(200);
  });

  test('that somebody kills are not said to be out of memory', async () => {
    const url = await deploy();
    expect((await post(url)).status).toBe(200);
    const answer = post(url, {waitMs: 600_000});
    const [container] = await containers();
    await eventually('busy', async () => (await status()).instances?.[0]?.state === 'busy');
    await engine.docker('kill', container ?? '');
    expect(await answer).toMatchObject({status: 502, body: {error: {code: 'INSTANCE_DIED'}}});
    expect(await logs()).toContain('was killed by somebody else');
  });

  test('are twenty at once', async () => {
    const url = await deploy();
    await succeed(bench.thaw(['warm', 'local', '--min', '20', '--no-write', '--yes'], project));
    expect(await containers()).toHaveLength(20);
    const answers = await Promise.all(Array.from({length: 20}, () => post(url, {waitMs: 1000})));
    expect(answers.map((answer) => answer.status)).toEqual(Array.from({length: 20}, () => 200));
    expect((await status()).instances?.map(({requests}) => requests)).toEqual(
      Array.from({length: 20}, () => 1),
    );
  });

  test('answer a thousand requests, fifty at a time and none there at first, each once', async () => {
    const url = await deploy();
    const outcomes = await sendThousand(url, () => {});
    expect(outcomes).toEqual(new Map(IDS.map((id) => [id, 200])));
    await eventually('the log is whole', async () => (await seen()).length >= IDS.length);
    expect((await seen()).sort()).toEqual([...IDS].sort());
  });

  test('answer what had come when SIGTERM comes to their gateway, and begin nothing else', async () => {
    const url = await deploy();
    const {facts} = await status();
    const outcomes = await sendThousand(url, (answered) => {
      if (answered === 300) process.kill(Number(facts['gatewayPid']), 'SIGTERM');
    });
    const answered = IDS.filter((id) => outcomes.get(id) === 200);
    expect(answered.length).toBeGreaterThanOrEqual(300);
    expect(answered.length).toBeLessThan(IDS.length);
    await eventually('no container is left', async () => (await containers()).length === 0);
    expect((await seen()).sort()).toEqual([...answered].sort());
    // Of the others each was told so, or found nobody.
    for (const id of IDS) expect([200, 503, null]).toContain(outcomes.get(id));
  });

  test('are measured, and every cold start is proved', async () => {
    await deploy();
    const file = join(bench.dir, 'report.json');
    await succeed(
      bench.thaw(
        ['benchmark', 'local', '--cold', '5', '--warm', '20', '--data', '{}', '--export', `json=${file}`],
        project,
      ),
    );
    const report = JSON.parse(await readFile(file, 'utf8')) as Report;
    expect(report.providers[0]).toMatchObject({cold: {n: 5}, warm: {n: 20}});
    expect(report.providers[0]?.notes.join()).not.toContain('not the image');
  });

  test.each([0, 300])(
    'have a residual that is what the gateway traced, a create that takes %i ms more included',
    async (delayMs) => {
      const slow = join(bench.dir, 'slow-docker');
      await writeFile(
        slow,
        `#!/bin/sh\nif [ "$1" = run ]; then sleep ${delayMs / 1000}; fi\nexec docker "$@"\n`,
      );
      await chmod(slow, 0o755);
      const delayed = {...project, env: {...project.env, THAW_DOCKER: slow}};
      await succeed(bench.thaw(['deploy', 'local', '--yes'], delayed));
      const file = join(bench.dir, 'traced.json');
      await succeed(
        bench.thaw(
          ['benchmark', 'local', '--cold', '10', '--warm', '200', '--data', '{}', '--export', `json=${file}`],
          delayed,
        ),
      );
      const [local] = (JSON.parse(await readFile(file, 'utf8')) as Report).providers;
      expect(local).toMatchObject({cold: {n: 10}, warm: {n: 200}});

      const samples = await coldSamples(join(bench.dir, name));
      const records = await tracedStarts(
        pathsOf(bench.stateDir, name).socket,
        samples.map(({evidence}) => evidence?.bootId ?? ''),
      );
      expect(records.map(({onDemand}) => onDemand)).toEqual(samples.map(() => true));
      const traced = median(samples.map((sample, i) => platformMs(sample, records[i]))) ?? 0;
      expect(traced).toBeGreaterThan(delayMs);
      const residual = local?.cold?.phases['residual'] ?? 0;
      expect(Math.abs(residual - traced) / traced, `${residual} and ${traced} ms`).toBeLessThan(0.1);
    },
  );

  test('that write a lot fill neither the gateway’s memory nor a disk', async () => {
    const url = await deploy();
    expect((await post(url, {printMb: 1024})).status).toBe(200);
    const {facts} = await status();
    const memory = await readFile(`/proc/${JSON.stringify(facts['gatewayPid'])}/status`, 'utf8');
    const peakMb = Number(/^VmHWM:\s+(\d+) kB/m.exec(memory)?.[1]) / 1024;
    expect(peakMb).toBeLessThan(400);
    const folder = join(bench.stateDir, 'local', name);
    const files = (await readdir(folder)).filter((file) => file.startsWith('log'));
    const sizes = await Promise.all(files.map(async (file) => (await stat(join(folder, file))).size));
    expect(sizes.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(40e6);
    expect((await post(url)).status).toBe(200);
  });

  test('end with a gateway that is killed, and the next one ends what else is left', async () => {
    const url = await deploy();
    expect((await post(url)).status).toBe(200);
    const {facts} = await status();
    const [container = ''] = await containers();
    const [, key = ''] = /-([0-9a-f]{8})-[0-9a-f]{6}-[0-9a-f]{8}$/.exec(container) ?? [];
    process.kill(Number(facts['gatewayPid']), 'SIGKILL');
    await eventually('no container is left', async () => (await containers()).length === 0);

    const image = await engine.docker(
      'images',
      '--format',
      '{{.Repository}}:{{.Tag}}',
      'thaw-local/in-containers',
    );
    await engine.docker(
      'run',
      '--detach',
      '--name',
      'a-stray',
      '--label',
      'thaw.function=in-containers',
      '--label',
      `thaw.gateway=${key}`,
      image,
    );
    expect((await post(await deploy())).status).toBe(200);
    expect(await containers()).not.toContain('a-stray');
  });

  test('change the engine in one step, and there and back serve the same', async () => {
    const url = await deploy();
    expect((await post(url)).body['uid']).toBe(65532);
    const asProcess = {...project, env: {...project.env, THAW_DOCKER: 'none'}};
    const file = join(bench.dir, name, 'thaw.yaml');
    await writeFile(file, (await readFile(file, 'utf8')).replace('engine: docker', 'engine: auto'));
    try {
      const {stdout} = await succeed(bench.thaw(['plan', 'local', '--json'], asProcess));
      const {steps} =
        (JSON.parse(stdout) as {plans: {steps: {op: string; changes: object[]}[]}[]}).plans[0] ?? {};
      expect(steps?.map(({op, changes}) => [op, changes])).toEqual([
        [
          'local:UpdateFunctionConfiguration',
          [{path: 'options.engine', from: expect.stringMatching(/^docker/) as string, to: 'auto: process'}],
        ],
      ]);
      await succeed(bench.thaw(['deploy', 'local', '--yes'], asProcess));
      expect((await post(url)).body['root']).not.toBe('EROFS');
      await eventually('no container is left', async () => (await containers()).length === 0);
      const back = await succeed(bench.thaw(['deploy', 'local', '--yes'], project));
      expect(back.stderr).toMatch(/engineChosen\s+docker \S+ answers/);
      expect((await post(url)).body['uid']).toBe(65532);
    } finally {
      await writeFile(file, (await readFile(file, 'utf8')).replace('engine: auto', 'engine: docker'));
    }
  });

  test('can be emulated as a cloud would run them', async () => {
    const {stdout} = await succeed(bench.thaw(['deploy', 'local', '--emulate', 'lambda', '--yes'], project));
    const url = stdout.trim().split('\t')[1] ?? '';
    expect((await post(url)).body['uid']).toBe(65532);
    expect(await logs()).toMatch(
      /REPORT RequestId: .*Memory Size: 256 MB\tMax Memory Used: \d+ MB\tInit Duration/,
    );
  });

  test.skipIf(missingForPodman.length > 0)(
    `run in podman as well, and end with their gateway there${skippedFor(missingForPodman)}`,
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'thaw-podman-'));
      const podman = join(folder, 'podman');
      const settings = join(folder, 'containers.conf');
      const storage = `--root ${folder}/data --runroot ${folder}/run --storage-driver vfs`;
      // Its own defaults may be above what this process may have.
      await writeFile(settings, '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n');
      await writeFile(podman, `#!/bin/sh\nexport CONTAINERS_CONF=${settings}\nexec podman ${storage} "$@"\n`);
      await chmod(podman, 0o755);
      const inPodman = {...project, env: {...project.env, THAW_DOCKER: podman}};
      const listed = async (...args: string[]): Promise<string> => (await run(podman, args)).stdout.trim();
      try {
        const {stdout} = await succeed(bench.thaw(['deploy', 'local', '--yes'], inPodman));
        const url = stdout.trim().split('\t')[1] ?? '';
        const inside = (await post(url)).body as unknown as {uid: number; root: string; env: object};
        expect(inside).toMatchObject({uid: 65532, root: 'EROFS', env: {TOKEN: SECRET, LINES: 'one\ntwo'}});
        const killed = await post(url, {leakMb: 1000});
        expect(killed.body['error']).toMatchObject({code: 'OUT_OF_MEMORY'});
        expect((await post(url)).status).toBe(200);
        expect((await listed('ps', '--quiet')).split('\n')).toHaveLength(1);
        process.kill(Number((await status()).facts['gatewayPid']), 'SIGKILL');
        await eventually('no container is left', async () => (await listed('ps', '-a', '--quiet')) === '');
        await succeed(bench.thaw(['destroy', 'local', '--yes'], inPodman));
        expect(await listed('images', '--quiet')).toBe('');
      } finally {
        await bench.thaw(['destroy', 'local', '--yes'], inPodman);
        await run(podman, ['rmi', '--all', '--force']).catch(() => undefined);
        await rm(folder, {recursive: true, force: true, maxRetries: 5});
      }
    },
  );

  test('say why they cannot be: no engine, and an image that the engine has lost', async () => {
    const nowhere = {...project, env: {...project.env, DOCKER_HOST: `unix://${bench.dir}/nobody.sock`}};
    const refused = await bench.thaw(['deploy', 'local', '--yes'], nowhere);
    expect(refused.code).toBe(5);
    expect(refused.stderr).toContain('no engine runs behind docker');

    const url = await deploy();
    const images = await engine.docker(
      'images',
      '--format',
      '{{.Repository}}:{{.Tag}}',
      'thaw-local/in-containers',
    );
    await engine.docker('rmi', images);
    const lost = await post(url);
    expect(lost.status).toBe(502);
    expect(lost.body['error']).toMatchObject({
      message: expect.stringMatching(
        /docker no longer has the image .* the next deploy brings it again/,
      ) as string,
    });
    const {stderr} = await succeed(bench.thaw(['deploy', 'local', '--yes'], project));
    expect(stderr).toContain('local:BringImage');
    await eventually('it answers again', async () => (await post(url)).status === 200);
  });
});

async function allProcesses(): Promise<{pid: number; command: string}[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  return Promise.all(
    pids.map(async (pid) => ({
      pid: Number(pid),
      command: await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => ''),
    })),
  );
}

const processesNaming = async (folder: string): Promise<number[]> =>
  (await allProcesses()).filter(({command}) => command.includes(folder)).map(({pid}) => pid);

/** The cold samples of the latest run that a report counts. */
async function coldSamples(projectDir: string): Promise<Sample[]> {
  const folder = join(projectDir, '.thaw/benchmarks');
  const latest =
    (await readdir(folder))
      .filter((file) => file.endsWith('.ndjson'))
      .sort()
      .at(-1) ?? '';
  const {samples} = await readRunFile(join(folder, latest));
  return samples.filter((sample) => sample.class === 'cold' && !sample.firstAfterDeploy);
}

/** What the gateway behind a socket has recorded of starts. */
async function tracedStarts(socketPath: string, bootIds: readonly string[]): Promise<StartupRecord[]> {
  const answer = await createHttp()({
    url: 'http://gateway/startup',
    method: 'POST',
    socketPath,
    headers: {'content-type': 'application/json'},
    body: JSON.stringify({bootIds}),
    timeoutMs: 10_000,
    signal: new AbortController().signal,
    freshConnection: true,
  });
  return (JSON.parse(Buffer.from(answer.body).toString('utf8')) as {records: StartupRecord[]}).records;
}
