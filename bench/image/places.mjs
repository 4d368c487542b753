// Where images are pushed to and built in: Debian's registry behind a proxy that counts, and a Docker engine.
import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {mkdirSync, openSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {connect, createServer} from 'node:net';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {setTimeout as sleep} from 'node:timers/promises';

/** Debian's registry on a free port of this machine, and in front of it a proxy that counts what clients send. */
export async function openRegistry(dir) {
  mkdirSync(join(dir, 'registry'));
  const config = join(dir, 'registry.yml');
  writeFileSync(
    config,
    `version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: ${join(dir, 'registry')}}, delete: {enabled: true}}
http: {addr: "127.0.0.1:0", secret: not-a-secret}
`,
  );
  const child = spawn('docker-registry', ['serve', config], {stdio: ['ignore', 'ignore', 'pipe']});
  let registryPort;
  for await (const line of createInterface(child.stderr)) {
    registryPort = Number(/listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1]);
    if (registryPort > 0) break;
  }
  if (!(registryPort > 0)) throw new Error('docker-registry ended');
  child.stderr.resume();

  let sentBytes = 0;
  const proxy = createServer((client) => {
    const registry = connect(registryPort, '127.0.0.1');
    client.setNoDelay(true);
    registry.setNoDelay(true);
    client.on('data', (chunk) => (sentBytes += chunk.length));
    client.pipe(registry).pipe(client);
    client.on('error', () => registry.destroy());
    registry.on('error', () => client.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    host: `127.0.0.1:${proxy.address().port}`,
    /** What was sent since this was last asked, in bytes. */
    takeSentBytes() {
      const bytes = sentBytes;
      sentBytes = 0;
      return bytes;
    },
    close() {
      proxy.close();
      child.kill('SIGKILL');
    },
  };
}

/** A `docker` on the path that can talk to BuildKit: until version 23 all could, since then with a plugin. */
function findDocker() {
  for (const folder of (process.env.PATH ?? '').split(':')) {
    const docker = join(folder, 'docker');
    const {status, stdout} = spawnSync(docker, ['--version'], {encoding: 'utf8'});
    if (status !== 0) continue;
    const major = Number(/version (\d+)/.exec(stdout)?.[1]);
    if (major < 23 || spawnSync(docker, ['buildx', 'version']).status === 0) return docker;
  }
  return null;
}

/** The Docker engine that answers here, or one of our own; null where there is none to be had. */
export async function openEngine(dir) {
  const docker = findDocker();
  if (docker === null) return null;
  const answers = (env) => spawnSync(docker, ['info'], {env: {...process.env, ...env}}).status === 0;
  if (answers({})) return {docker, env: {}, own: null, kill: () => {}, close: () => {}};
  if (process.getuid() !== 0 || spawnSync('dockerd', ['--version']).status !== 0) return null;
  const socket = `unix://${join(dir, 'docker.sock')}`;
  const log = openSync(join(dir, 'dockerd.log'), 'w');
  const places = ['--data-root', join(dir, 'docker'), '--exec-root', join(dir, 'docker-run')];
  const pidfile = ['--pidfile', join(dir, 'docker.pid')];
  const own = spawn('dockerd', ['--host', socket, ...places, ...pidfile], {stdio: ['ignore', log, log]});
  const env = {DOCKER_HOST: socket};
  for (let tries = 0; !answers(env); tries++) {
    if (own.exitCode !== null || tries === 120) {
      own.kill();
      console.log(`dockerd does not start: ${readFileSync(join(dir, 'dockerd.log'), 'utf8').slice(-500)}`);
      return null;
    }
    await sleep(500);
  }
  const close = async () => {
    own.kill('SIGTERM');
    await once(own, 'exit');
  };
  return {docker, env, own: own.pid, kill: () => own.kill('SIGTERM'), close};
}

/** A process and all that it has started, by pid. */
export function familyOf(pid) {
  try {
    const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
    return [pid, ...children.flatMap(familyOf)];
  } catch {
    return [];
  }
}

/** The most memory that a process has had, in bytes; 0 if it is gone. */
export function peakBytesOf(pid) {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Forgets the most memory that processes have had. */
export function forgetPeaks(pids) {
  for (const pid of pids) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, '5');
    } catch {
      // Gone.
    }
  }
}
