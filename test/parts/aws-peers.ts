import {ECR} from '@aws-sdk/client-ecr';
import {spawn, type ChildProcess} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {once, setMaxListeners} from 'node:events';
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {createServer, type AddressInfo} from 'node:net';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {onTestFinished} from 'vitest';
import {pushToProvider} from '../../src/cli/push-to-provider.ts';
import type {Digest} from '../../src/core/digest.ts';
import type {ImageOnDisk, PushDestination, PushImage} from '../../src/core/ports.ts';
import {systemClock} from '../../src/net/clock.ts';
import {createHttp} from '../../src/net/http.ts';
import {createAwsDriver} from '../../src/providers/aws/driver.ts';
import {noContainerEngine, noPython} from '../absent.ts';
import {makeSmallImage} from '../fakes/aws/sandboxes/small-image.ts';
import {digestOf} from '../../src/core/digest.ts';
import {openFakeAws} from '../fakes/aws/server.ts';
import type {Harness} from '../providers/conformance.ts';
import {accountSettings, fillGaps, provisionedList} from './aws-gaps.ts';
import {openEnvironment} from './python.ts';

export const NAME = 'credit-scoring';
const REGION = 'eu-central-1';
const ACCOUNT = '123456789012';

/** A stand-in for AWS that others wrote, on this machine. */
export interface Peer {
  readonly url: string;
  /** What the SDK's clients have to find in their environment. */
  readonly env: {readonly [name: string]: string};
  /** Puts an image where the peer's `repositoryUri` says that it shall be. */
  readonly pushImage: PushImage;
}

/** moto makes up the digest that an image is resolved to, even where its name says the digest. */
const NOT_RESOLVED = {wrong: /"ResolvedImageUri"/, right: '"NotResolved"'};

/** Starts moto, for one test. It has no registry: manifests are put by ECR's own API, layers nowhere. It has no quotas and no provisioned concurrency. */
export async function startMoto(): Promise<Peer> {
  const {file} = await openEnvironment(['moto[server]==5.2.5']);
  const port = await findFreePort();
  const program = join(dirname(file), 'moto_server');
  const args = ['-H', '127.0.0.1', '-p', String(port)];
  const url = await start(program, args, port, '/moto-api/', {MOTO_IAM_LOAD_MANAGED_POLICIES: 'true'});
  const env = environmentOf(await fillGaps(url, [accountSettings, provisionedList(url)], NOT_RESOLVED));
  return {
    url,
    env,
    async pushImage({image, layoutDir}, {reference}) {
      const {repository, tag} = splitReference(reference);
      const manifest = await readFile(
        join(layoutDir, 'blobs', 'sha256', image.digest.slice('sha256:'.length)),
        'utf8',
      );
      const ecr = new ECR(connectionOf(env));
      const {image: put} = await ecr.putImage({
        repositoryName: repository,
        imageManifest: manifest,
        imageDigest: image.digest,
        imageTag: tag,
      });
      return put?.imageId?.imageDigest as Digest;
    },
  };
}

/**
 * Starts MiniStack, for one test, without a container engine: its control plane and its registry. It has no Application
 * Auto Scaling, which is our own fake's here, and no list of provisioned concurrency.
 */
export async function startMiniStack(): Promise<Peer> {
  const ours = await openFakeAws({runs: false});
  onTestFinished(() => ours.close());
  const {file} = await openEnvironment(['ministack==1.5.33']);
  const port = await findFreePort();
  const url = await start(join(dirname(file), 'ministack'), [], port, '/_ministack/health', {
    GATEWAY_PORT: String(port),
    BIND_HOST: '127.0.0.1',
    MINISTACK_HOST: '127.0.0.1',
    MINISTACK_REGION: REGION,
    MINISTACK_ACCOUNT_ID: ACCOUNT,
  });
  return {
    url,
    env: {
      ...ours.env,
      AWS_ENDPOINT_URL: await fillGaps(url, [provisionedList(url)]),
      AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING: ours.url,
    },
    // Its repositories have the names that AWS would give them; its registry is where its API is.
    pushImage: (image, to, progress, signal) =>
      pushToProvider(image, atHost(to, `127.0.0.1:${port}`), systemClock, progress, signal),
  };
}

/** The driver, at a peer, with two images to deploy. */
export async function openPeerHarness(peer: Peer): Promise<Harness> {
  const dir = await mkdtemp(join(tmpdir(), 'thaw-aws-peer-'));
  const before = {...process.env};
  Object.assign(process.env, peer.env);
  onTestFinished(async () => {
    for (const name of Object.keys(peer.env)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
    await rm(dir, {recursive: true, force: true, maxRetries: 5});
  });
  const {signal} = new AbortController();
  setMaxListeners(0, signal);
  const unused = (): never => {
    throw new TypeError('the AWS driver has no use for this');
  };
  return {
    driver: createAwsDriver(),
    context: {
      ports: {
        clock: systemClock,
        http: createHttp(),
        startDetached: unused,
        unpackImage: unused,
        pushImage: peer.pushImage,
        hostOnnxRuntime: unused,
        openContainerEngine: noContainerEngine,
        makePythonEnvironment: noPython,
      },
      signal,
      projectDir: join(dir, 'project'),
      stateDir: join(dir, 'state'),
      packageDir: join(dir, 'package'),
      thawVersion: '0.0.1',
      fingerprintKey: randomBytes(32),
    },
    images: await makeImages(dir),
    options: {},
    spec: {
      schema: 'thaw.function/1',
      name: NAME,
      image: digestOf('to be replaced'),
      resources: {memoryMb: 512, timeoutMs: 30_000, cpu: null, concurrency: 1},
      scaling: {maxInstances: 4},
      warm: {min: 0, schedule: []},
      env: {},
      secrets: {},
      triggers: [{kind: 'http', auth: 'iam'}],
    },
    request: {body: new Uint8Array(), contentType: 'application/json', timeoutMs: 60_000},
    shortIdle: {options: {}, waitMs: 0},
    inventory: async () => [],
    plant: async () => undefined,
    refuseOnce: null,
    close: async () => undefined,
  };
}

/** Two images of one model. */
export const makeImages = async (dir: string): Promise<readonly [ImageOnDisk, ImageOnDisk]> => [
  await makeSmallImage(join(dir, 'first'), {name: NAME, label: 'first'}),
  await makeSmallImage(join(dir, 'second'), {name: NAME, label: 'second'}),
];

/** The same destination at another host. */
export const atHost = (to: PushDestination, host: string): PushDestination => ({
  ...to,
  reference: to.reference.replace(/^[^/]+/, host),
});

/** What a client of the SDK is made with. */
export const connectionOf = (env: Peer['env']) => ({
  endpoint: env['AWS_ENDPOINT_URL'] ?? '',
  region: env['AWS_REGION'] ?? '',
  maxAttempts: 1,
  credentials: {
    accessKeyId: env['AWS_ACCESS_KEY_ID'] ?? '',
    secretAccessKey: env['AWS_SECRET_ACCESS_KEY'] ?? '',
  },
});

const environmentOf = (url: string): Peer['env'] => ({
  AWS_ENDPOINT_URL: url,
  AWS_REGION: REGION,
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
});

/** `host/repository:tag` or `host/repository@digest`. */
function splitReference(reference: string): {readonly repository: string; readonly tag: string | undefined} {
  const [, repository = '', tag] = /^[^/]+\/([^:@]+)(?::([^@]+))?/.exec(reference) ?? [];
  return {repository, tag};
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const {port} = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a server in a folder of its own, waits until it answers, and ends it when the test is over. */
async function start(
  program: string,
  args: readonly string[],
  port: number,
  path: string,
  env: {readonly [name: string]: string} = {},
): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'thaw-peer-home-'));
  const child = spawn(program, args, {
    cwd: home,
    // No engine: it would run images, and clear away containers that it takes for its own.
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      TMPDIR: home,
      DOCKER_HOST: `unix://${join(home, 'no-engine.sock')}`,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => (said = (said + bytes.toString()).slice(-4000)));
  }
  onTestFinished(async () => {
    await end(child);
    await rm(home, {recursive: true, force: true, maxRetries: 5});
  });
  const url = `http://127.0.0.1:${port}`;
  for (let attempt = 0; attempt < 240; attempt++) {
    if (child.exitCode !== null) throw new Error(`${program} ended: ${said}`);
    const answers = await fetch(url + path).then(
      ({ok}) => ok,
      () => false,
    );
    if (answers) return url;
    await sleep(250);
  }
  throw new Error(`${program} does not answer: ${said}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
