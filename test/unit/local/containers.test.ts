import {describe, expect, it} from 'vitest';
import {digestOf} from '../../../src/core/digest.ts';
import {ThawError} from '../../../src/core/errors.ts';
import {
  chooseEngine,
  commandEnvironment,
  engineWhereabouts,
  renderChoice,
  type EngineLook,
} from '../../../src/providers/local/choice.ts';
import {
  containerNames,
  hasImage,
  imageName,
  ownImageNames,
} from '../../../src/providers/local/container-names.ts';
import {parseGateway} from '../../../src/providers/local/engine-docker.ts';
import type {Launch} from '../../../src/providers/local/engine.ts';
import {planRun, type RunSurroundings} from '../../../src/providers/local/run-arguments.ts';
import {parseStartEvent} from '../../../src/providers/local/start-event.ts';

const image = digestOf('an image');

describe('the choice of an engine', () => {
  const found = {command: 'docker', env: {}, version: '28.0.1', platform: 'linux/amd64', sure: true};
  const answers: EngineLook = {found};
  const unsure: EngineLook = {found: {...found, command: 'podman', version: '4.3.1', sure: false}};
  const nobody: EngineLook = {
    failure: {
      code: 'ENGINE_UNAVAILABLE',
      message: 'no engine runs behind docker',
      facts: {reason: 'not-running'},
    },
  };

  it('is containers where an engine answers that runs the image as it is, and says so', () => {
    expect(chooseEngine('auto', answers, 'linux/amd64')).toEqual({
      engine: {name: 'docker', command: 'docker', env: {}},
      why: 'docker 28.0.1 answers',
    });
    expect(chooseEngine('auto', answers, null).engine.name).toBe('docker');
  });

  it.each([
    ['nobody answers', nobody, 'no engine runs behind docker'],
    ['nobody looked', null, 'nobody looked'],
    [
      'the engine has no daemon, and nobody named it',
      unsure,
      'podman 4.3.1 has no daemon that says whether it can run; THAW_DOCKER=podman takes it',
    ],
    [
      'the engine runs another platform',
      answers,
      'docker 28.0.1 answers, but runs linux/amd64, and the image is for linux/arm64',
    ],
  ])('is processes where %s, and says why', (_what, look, why) => {
    expect(chooseEngine('auto', look, 'linux/arm64')).toEqual({engine: {name: 'process'}, why});
  });

  it('is what the user wants, and fails if that cannot be', () => {
    expect(chooseEngine('process', answers, 'linux/amd64').engine.name).toBe('process');
    expect(chooseEngine('docker', unsure, 'linux/amd64').engine).toMatchObject({command: 'podman'});
    const emulated = chooseEngine('docker', answers, 'linux/arm64');
    expect(emulated.engine.name).toBe('docker');
    expect(emulated.why).toContain('emulated');
    try {
      chooseEngine('docker', nobody, null);
      expect.fail('it did not throw');
    } catch (error) {
      expect(error).toBeInstanceOf(ThawError);
      expect(error).toMatchObject({
        code: 'ENGINE_UNAVAILABLE',
        facts: {reason: 'not-running', wanted: 'containers'},
      });
    }
  });

  it('is told in one line', () => {
    const docker = {name: 'docker', command: 'docker', env: {}} as const;
    expect(renderChoice('auto', {name: 'process'})).toBe('auto: process');
    expect(renderChoice('process', {name: 'process'})).toBe('process');
    expect(renderChoice('docker', docker)).toBe('docker');
    const elsewhere = {...docker, command: 'podman', env: {CONTAINER_HOST: 'unix:///run/p.sock'}};
    expect(renderChoice('auto', elsewhere)).toBe('auto: docker (podman, CONTAINER_HOST=unix:///run/p.sock)');
  });

  it('takes of the environment what says where the engine is, and what its command line needs', () => {
    const env = {
      DOCKER_HOST: 'ssh://somebody',
      DOCKER_BUILDKIT: '1',
      PATH: '/bin',
      HOME: '/h',
      SECRET: 's',
      TMP: '',
    };
    expect(engineWhereabouts({...env, DOCKER_CONTEXT: ''})).toEqual({DOCKER_HOST: 'ssh://somebody'});
    expect(commandEnvironment(env)).toEqual({PATH: '/bin', HOME: '/h'});
  });
});

describe('the names of what is in an engine', () => {
  const names = containerNames({dir: '/state/local/Probe_1'}, 'Probe_1');

  it('are after the function, its folder and the image', () => {
    expect(names.repository).toBe('thaw-local/probe-1');
    expect(names.key).toMatch(/^[0-9a-f]{8}$/);
    expect(containerNames({dir: '/other/local/Probe_1'}, 'Probe_1').key).not.toBe(names.key);
    expect(imageName(names, image)).toBe(`thaw-local/probe-1:${image.slice(7, 19)}.${names.key}`);
  });

  it('are found in what engines list, and nothing else is', () => {
    const own = imageName(names, image);
    const others = [
      'thaw-local/probe-1:0123456789ab.deadbeef',
      `thaw-local/probe-11:0123456789ab.${names.key}`,
    ];
    const listed = [own, `localhost/${own}`, `docker.io/${own}`, own, ...others, `my-${own}`, ''].join('\n');
    expect(ownImageNames(names, listed)).toEqual([`docker.io/${own}`, `localhost/${own}`, own].sort());
    expect(hasImage([`localhost/${own}`], image)).toBe(true);
    expect(hasImage([`localhost/${own}`], digestOf('another'))).toBe(false);
  });
});

describe('the command line of a container', () => {
  const launch: Launch = {
    id: 'a1b2c3d4',
    engine: {name: 'docker', command: 'docker', env: {}},
    rootDir: '/nowhere',
    image,
    env: {},
    memoryMb: 256,
    cpu: 1.5,
    concurrency: 4,
    emulation: null,
    onLine: () => {},
  };
  const surroundings: RunSurroundings = {
    command: '/usr/bin/docker',
    function: 'probe',
    gatewayKey: '01234567',
    name: 'thaw-probe-1',
    image: 'thaw-local/probe:tag',
    hostPort: 40_000,
    commandEnv: {PATH: '/bin', MINE: 'of the command line'},
  };
  const valuesOf = (args: readonly string[], flag: string): string[] =>
    args.flatMap((arg, index) => (args[index - 1] === flag ? [arg] : []));

  it('locks it up, limits it, and ties it to its gateway', () => {
    const {args, envFile} = planRun(launch, surroundings, '');
    expect(args[0]).toBe('run');
    expect(args.slice(-2)).toEqual(['thaw-local/probe:tag', '--lifeline']);
    for (const flag of ['--interactive', '--rm', '--read-only']) expect(args).toContain(flag);
    expect(valuesOf(args, '--publish')).toEqual(['127.0.0.1:40000:8080']);
    expect([...valuesOf(args, '--memory'), ...valuesOf(args, '--memory-swap')]).toEqual(['256m', '256m']);
    expect(valuesOf(args, '--cpus')).toEqual(['1.5']);
    expect(valuesOf(args, '--cap-drop')).toEqual(['ALL']);
    expect(valuesOf(args, '--security-opt')).toEqual(['no-new-privileges']);
    expect(valuesOf(args, '--tmpfs')[0]).toMatch(/^\/tmp:.*size=/);
    expect(valuesOf(args, '--pull')).toEqual(['never']);
    expect(valuesOf(args, '--log-driver')).toEqual(['none']);
    expect(valuesOf(args, '--label')).toEqual([
      'thaw.function=probe',
      'thaw.gateway=01234567',
      'thaw.instance=a1b2c3d4',
    ]);
    expect(valuesOf(args, '--env')).toEqual(['PORT=8080', `THAW_IMAGE=${image}`, 'THAW_CONCURRENCY=4']);
    expect(envFile).toEqual([]);
  });

  it('leaves the CPU to the machine where nothing is said, and bounds the logs of an engine that keeps some', () => {
    const {args} = planRun({...launch, cpu: null}, {...surroundings, command: 'nerdctl'}, '');
    expect(args).not.toContain('--cpus');
    expect(valuesOf(args, '--log-opt')).toEqual(['max-size=1m', 'max-file=1']);
  });

  it('holds no declared value: they are passed on by name, and through a file if the name means something', () => {
    const env = {
      TOKEN: 'secret-1',
      LINES_OF: 'secret-2\nsecret-3',
      https_proxy: 'secret-4',
      PATH: 'secret-5',
    };
    const all = {...env, DOCKER_HOST: 'secret-6', mine: 'secret-7', PORT: 'secret-8'};
    const plan = planRun({...launch, env: all}, surroundings, '/tmp/x/env');
    expect(plan.args.join(' ')).not.toContain('secret');
    expect(valuesOf(plan.args, '--env').slice(0, 3)).toEqual(['TOKEN', 'LINES_OF', 'PORT']);
    expect(valuesOf(plan.args, '--env-file')).toEqual(['/tmp/x/env']);
    expect(plan.env).toEqual({
      ...surroundings.commandEnv,
      TOKEN: 'secret-1',
      LINES_OF: 'secret-2\nsecret-3',
      PORT: 'secret-8',
    });
    expect(plan.envFile.map(([name]) => name)).toEqual(['https_proxy', 'PATH', 'DOCKER_HOST', 'mine']);
    expect(() => planRun({...launch, env: {HTTP_PROXY: 'a\nb'}}, surroundings, '')).toThrow(/HTTP_PROXY/);
  });
});

describe('what is read of an engine', () => {
  it('is the line that says that an instance is ready, or why it will not be', () => {
    expect(parseStartEvent('{"event":"ready","port":8080,"bootId":"b","readyMs":80.5}')).toMatchObject({
      readyMs: 80.5,
    });
    expect(parseStartEvent('{"event":"failed","code":"HANDLER_INVALID","message":"no"}')).toMatchObject({
      message: 'no',
    });
    for (const line of [
      '{"event":"ready"',
      '{"event":"ready","port":"x"}',
      '{"event":"other"}',
      'ready',
      '',
    ]) {
      expect(parseStartEvent(line)).toBeNull();
    }
  });

  it('is the address that containers know this machine by', () => {
    const docker = '[{"IPAM": {"Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]}}]';
    const podman = '[{"subnets": [{"subnet": "10.88.0.0/16", "gateway": "10.88.0.1"}]}]';
    expect(parseGateway(docker)).toBe('172.17.0.1');
    expect(parseGateway(podman)).toBe('10.88.0.1');
    expect(parseGateway('[]')).toBeNull();
  });
});
