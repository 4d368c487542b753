import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {afterAll, afterEach, beforeAll, describe, expect, test} from 'vitest';
import {openBench, type Bench} from '../cli/thaw.ts';
import {askAll, checkLog} from '../fixtures/handlers/ask.ts';
import {HANDLERS, type HandlerFixture} from '../fixtures/handlers/index.ts';
import {skippedFor} from './debian-registry.ts';
import {findMissingForDocker, openDocker, type TestDocker} from './docker.ts';
import {succeed} from './local-docker.ts';

const missing = findMissingForDocker();
/** Packages are fetched, images built. */
const PATIENCE_MS = 900_000;

describe.each([
  {engine: 'process', lacking: []},
  {engine: 'docker', lacking: missing},
])('the engine $engine', ({engine, lacking}) => {
  describe.skipIf(lacking.length > 0)(`serves handlers as they are${skippedFor(lacking)}`, () => {
    let docker: TestDocker | null = null;
    let bench: Bench;
    let env: {readonly [name: string]: string} = {};
    let deployed: string | null = null;

    beforeAll(async () => {
      bench = await openBench();
      if (engine === 'docker') docker = await openDocker();
      env = docker?.env ?? {};
    }, PATIENCE_MS);

    afterEach(async () => {
      if (deployed !== null) await succeed(run('destroy', 'local', '--yes'));
      deployed = null;
    }, PATIENCE_MS);

    afterAll(async () => {
      await bench?.leave();
      await docker?.stop();
    }, PATIENCE_MS);

    const run = (...args: readonly string[]) => bench.thaw(args, {cwd: deployed ?? '.', env});

    /** Makes a project around a handler, as users do, and packages it. */
    async function open({name, dir, handler, model}: HandlerFixture): Promise<void> {
      const declared = model === null ? [] : ['--model', join(dir, model)];
      await succeed(run('init', name, '--handler', join(dir, handler), ...declared));
      const [file = ''] = handler.split(':');
      expect(await readFile(join(bench.dir, name, file))).toEqual(await readFile(join(dir, file)));
      const config = join(bench.dir, name, 'thaw.yaml');
      const text = await readFile(config, 'utf8');
      await writeFile(config, text.replace('engine: auto', `engine: ${engine}`));
      deployed = name;
      await succeed(run('package'));
    }

    /** Deploys it, and gives its URL, with a slash at its end. */
    async function deploy(...more: readonly string[]): Promise<string> {
      const {stdout} = await succeed(run('deploy', 'local', '--yes', ...more));
      return stdout.trim().split('\t')[1] ?? '';
    }

    /** Waits until the log holds all that it shall. */
    async function checkLogs(fixture: HandlerFixture): Promise<void> {
      for (let tries = 0; ; tries++) {
        const {stdout} = await succeed(run('logs', 'local'));
        try {
          return checkLog(fixture, stdout);
        } catch (error) {
          if (tries === 30) throw error;
          await sleep(500);
        }
      }
    }

    test.each(HANDLERS)('$name: $title', {timeout: PATIENCE_MS}, async (fixture) => {
      await open(fixture);
      const invocations = (name: string): string => `2015-03-31/functions/${name}/invocations`;
      await askAll(fixture, {url: await deploy(), invocations: invocations('function'), isLambda: false});
      await checkLogs(fixture);
      const url = await deploy('--emulate', 'lambda');
      await askAll(fixture, {url, invocations: invocations(fixture.name), isLambda: true});
      await checkLogs(fixture);
    });
  });
});
