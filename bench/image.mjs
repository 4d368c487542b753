// What building and pushing an image takes, with thaw and with others, on one registry, in one run: the first time,
// after the handler has changed, after the model has; and how much memory a large model needs. Then the sizes of images
// with Python, and what of an image is read before its first answer.
//
// Every figure is the median of fresh processes. Needs Linux as root, docker-registry, and dist/ to be built. What is
// left out is said: docker (dockerd, iptables), skopeo, crane, ko (go).
// Options: --rounds N (5), --large MB (1024; 0 leaves it out), --sizes (also makes images with Python by debootstrap
// and pip: minutes, and a gigabyte), --install (the Debian packages), --strict (exit 1 if a goal is missed).
import {spawnSync} from 'node:child_process';
import {appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {cpus, homedir, loadavg, tmpdir} from 'node:os';
import {createRequire} from 'node:module';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {build} from 'esbuild';
import {writeLargeProject} from './image/large-model.mjs';
import {measure, median, printTable, seconds, size} from './image/measure.mjs';
import {openEngine, openRegistry} from './image/places.mjs';
import {measurePythonImages} from './image/python-images.mjs';
import {findProgram} from './load/tools.mjs';

const {values: given} = parseArgs({
  options: {
    rounds: {type: 'string', default: '5'},
    large: {type: 'string', default: '1024'},
    sizes: {type: 'boolean', default: false},
    install: {type: 'boolean', default: false},
    strict: {type: 'boolean', default: false},
  },
});
const rounds = Number(given.rounds);
const root = fileURLToPath(new URL('..', import.meta.url));
const here = fileURLToPath(new URL('image/', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'thaw-image-bench-'));
const cache = join(dir, 'cache');
const project = join(dir, 'scoring');
const layout = join(project, '.thaw/image');
const context = join(dir, 'context');

if (given.install) {
  const packages = ['docker-registry', 'docker.io', 'iptables', 'skopeo', 'debootstrap'];
  spawnSync('apt-get', ['install', '-y', '--no-install-recommends', ...packages], {stdio: 'ignore'});
}

const thawEnv = {THAW_CACHE_DIR: cache, THAW_STATE_DIR: join(dir, 'state'), THAW_BASE: 'host'};
const thaw = (args, cwd = project) =>
  measure(process.execPath, [join(root, 'bin/run.js'), ...args], {cwd, env: thawEnv});

/** The image that lies in the layout. */
const built = () => JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')).manifests[0];

/**
 * Makes the contents of each of thaw's layers a folder: what a Dockerfile of the same image copies. A second Dockerfile
 * bundles the handler itself, as thaw does, in a step of its own behind all that is unchanged.
 */
function layContext() {
  const manifest = JSON.parse(readFileSync(blobOf(built().digest), 'utf8'));
  const roles = ['base', 'runtime', 'model', 'handler', 'config'];
  for (const [nth, role] of roles.entries()) {
    mkdirSync(join(context, role), {recursive: true});
    const args = ['-xzf', blobOf(manifest.layers[nth].digest), '-C', join(context, role)];
    if (spawnSync('tar', args).status !== 0) throw new Error(`tar ${args.join(' ')} failed`);
  }
  writeFileSync(join(context, '.dockerignore'), 'base\n');
  mkdirSync(join(context, 'source'));
  cpSync(join(project, 'handler.mjs'), join(context, 'source/handler.mjs'));
  cpSync(esbuildProgram(), join(context, 'tools/esbuild'));
  const handler = '/out/opt/thaw/handler/handler.mjs';
  const bundle = ['/esbuild', '/source/handler.mjs', '--bundle', '--platform=node', '--format=esm'];
  writeDockerfile(
    'Dockerfile',
    [],
    roles.slice(1).map((role) => `${role}/ /`),
  );
  writeDockerfile(
    'Dockerfile.bundling',
    [
      'FROM thaw-bench-base AS bundle',
      'COPY tools/esbuild /esbuild',
      'COPY source/ /source/',
      `RUN ${JSON.stringify([...bundle, '--target=node20', `--outfile=${handler}`])}`,
    ],
    ['runtime/ /', 'model/ /', '--from=bundle /out/ /', 'config/ /'],
  );
}

function writeDockerfile(name, before, copies) {
  const lines = [
    ...before,
    'FROM thaw-bench-base',
    ...copies.map((copy) => `COPY ${copy}`),
    'USER 65532:65532',
    'ENTRYPOINT ["/opt/thaw/bin/node", "/opt/thaw/runtime/server.cjs"]',
  ];
  writeFileSync(join(context, name), `${lines.join('\n')}\n`);
}

/** What the `esbuild` package runs: one program that needs nothing else. */
function esbuildProgram() {
  const {resolve} = createRequire(createRequire(import.meta.url).resolve('esbuild'));
  return resolve(`@esbuild/${process.platform}-${process.arch}/bin/esbuild`);
}

const blobOf = (digest) => join(layout, 'blobs/sha256', digest.slice('sha256:'.length));

let edits = 0;
/** Changes of the project, each made where thaw and where the others look. */
const changes = {
  handler() {
    const bundled = 'context/handler/opt/thaw/handler/handler.mjs';
    for (const file of ['scoring/handler.mjs', 'context/source/handler.mjs', bundled]) {
      appendFileSync(join(dir, file), `\nexport const edit${++edits} = ${edits};\n`);
    }
    appendFileSync(join(dir, 'hello/main.go'), `\nvar Edit${edits} = ${edits}\n`);
  },
  model() {
    // A model's description is its field 6; the last one counts.
    const note = Buffer.from(`edit ${++edits}`);
    for (const file of ['scoring/model/model.onnx', 'context/model/opt/thaw/model/model.onnx']) {
      appendFileSync(join(dir, file), Buffer.concat([Buffer.of(0x32, note.length), note]));
    }
  },
};

const registry = await openRegistry(dir);
const engine = await openEngine(dir);
const absent = [];
// However this ends, no daemon stays behind.
process.once('exit', () => {
  registry.close();
  engine?.kill();
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** Two ways to build the same image: thaw does what the second one does. */
const COPIES = 'docker with BuildKit, handler bundled before';
const BUNDLES = 'docker with BuildKit, bundles the handler';

/** Who builds and pushes: `build` and `push` run to their ends, `forget` makes the next build a first one. */
function listTools(bundle) {
  const skopeo = findProgram('skopeo');
  const crane = findProgram('crane');
  const ko = findProgram('ko');
  const pushOurs = (repository) => [layout, built().digest, `${registry.host}/${repository}`];
  const tools = [
    {
      name: 'thaw',
      build: () => thaw(['package']),
      push: (repository) =>
        measure(process.execPath, [join(here, 'push.mjs'), bundle, ...pushOurs(repository)]),
      async forget() {
        for (const folder of [join(cache, 'layers'), layout]) rmSync(folder, {recursive: true, force: true});
      },
    },
    {name: 'thaw package --push, both', both: (to) => thaw(['package', '--push', `${registry.host}/${to}`])},
  ];
  if (engine === null) absent.push('docker');
  else {
    for (const [nth, [name, buildkit, dockerfile]] of [
      [COPIES, '1', 'Dockerfile'],
      [BUNDLES, '1', 'Dockerfile.bundling'],
      ['docker, classic, handler bundled before', '0', 'Dockerfile'],
    ].entries()) {
      const env = {...engine.env, DOCKER_BUILDKIT: buildkit, HOME: dir};
      const docker = (args) => measure(engine.docker, args, {cwd: context, env, daemon: engine.own});
      const image = `thaw-bench-${nth}`;
      tools.push({
        name,
        build: () => docker(['build', '-q', '-t', image, '-f', dockerfile, '.']),
        async push(repository) {
          const reference = `${registry.host}/${repository}:latest`;
          await docker(['tag', image, reference]);
          return docker(['push', '-q', reference]);
        },
        async forget() {
          await docker(['image', 'rm', '-f', image]).catch(() => {});
          await docker(['builder', 'prune', '-af']);
          await docker(['image', 'prune', '-f']);
        },
      });
    }
  }
  const copies = [
    {
      name: 'skopeo copy',
      file: skopeo,
      args: (to) => ['copy', '-q', '--dest-tls-verify=false', `oci:${layout}`, `docker://${to}`],
    },
    {name: 'crane push', file: crane, args: (to) => ['push', '--insecure', layout, to]},
  ];
  for (const {name, file, args} of copies) {
    if (file === null) absent.push(name);
    else {
      const push = (to) => measure(file, args(`${registry.host}/${to}:latest`));
      tools.push({name: `${name} (thaw’s image)`, push});
    }
  }
  if (ko === null || findProgram('go') === null) absent.push('ko');
  else {
    const env = {KO_DEFAULTBASEIMAGE: `${registry.host}/base`, HOME: homedir(), GOFLAGS: '-mod=mod'};
    const run = (args, to) =>
      measure(ko, ['build', '--bare', '--insecure-registry', '--sbom=none', ...args, '.'], {
        cwd: join(dir, 'hello'),
        env: {...env, KO_DOCKER_REPO: `${registry.host}/${to}`},
      });
    tools.push({
      name: 'ko (a hello in Go, compiled)',
      build: (to) => run(['--push=false'], to),
      push: (to) => run([], to),
      only: ['first', 'handler'],
    });
  }
  return tools;
}

function writeHello() {
  mkdirSync(join(dir, 'hello'));
  writeFileSync(join(dir, 'hello/go.mod'), 'module example.com/hello\n\ngo 1.21\n');
  writeFileSync(
    join(dir, 'hello/main.go'),
    'package main\n\nimport "net/http"\n\nfunc main() { http.ListenAndServe(":8080", nil) }\n',
  );
}

/** Builds and pushes with every tool in turn, round by round, so that all meet the same moods of the machine. */
async function compete(tools, scenario) {
  const taking = tools.filter(({only}) => only === undefined || only.includes(scenario));
  const runs = new Map(taking.map(({name}) => [name, []]));
  for (let round = 0; round < (scenario === 'first' ? Math.ceil(rounds / 2) : rounds); round++) {
    if (scenario !== 'first') changes[scenario]();
    for (const [nth, tool] of taking.entries()) {
      const repository = scenario === 'first' ? `first-${nth}-${round}` : `tool-${nth}`;
      // After thaw alone has built, there would be nothing left to do for it with both at once.
      if (tool.both !== undefined) {
        if (scenario === 'first') await tools[0].forget();
        else changes[scenario]();
      } else if (scenario === 'first') await tool.forget?.();
      const made = tool.both === undefined ? ((await tool.build?.(repository)) ?? null) : null;
      registry.takeSentBytes();
      const pushed = await (tool.both ?? tool.push)(repository);
      runs.get(tool.name).push({made, pushed, sentBytes: registry.takeSentBytes()});
    }
  }
  const figures = taking.map(({name, both}) => {
    const of = (pick) => {
      const values = runs
        .get(name)
        .map(pick)
        .filter((value) => value !== null);
      return values.length === 0 ? null : median(values);
    };
    return {
      name,
      buildMs: of(({made}) => made?.ms ?? null),
      pushMs: both === undefined ? of(({pushed}) => pushed.ms) : null,
      bothMs: of(({made, pushed}) =>
        both === undefined && made === null ? null : (made?.ms ?? 0) + pushed.ms,
      ),
      sentBytes: of(({sentBytes}) => sentBytes),
      bytes: of(({made, pushed}) => Math.max(made?.bytes ?? 0, pushed.bytes)),
    };
  });
  const [ours] = figures;
  const against = (mine, theirs) =>
    theirs === null || mine === theirs ? '' : ` (${(theirs / mine).toFixed(theirs / mine < 10 ? 1 : 0)} x)`;
  printTable(
    ['', 'build', 'push', 'both', 'sent', 'memory'],
    figures.map((row) => [
      row.name,
      seconds(row.buildMs) + against(ours.buildMs, row.buildMs),
      seconds(row.pushMs) + against(ours.pushMs, row.pushMs),
      seconds(row.bothMs) + against(ours.bothMs, row.bothMs),
      size(row.sentBytes),
      size(row.bytes),
    ]),
  );
  return figures;
}

const goals = [];
function goal(text, holds, measured) {
  goals.push(holds);
  console.log(`${holds ? 'holds ' : 'MISSES'}  ${text}: ${measured}`);
}

async function measureLarge(megabytes) {
  const large = join(dir, 'large');
  writeLargeProject(large, megabytes * 2 ** 20);
  registry.takeSentBytes();
  const first = await thaw(['package', '--push', `${registry.host}/large`], large).catch((error) => {
    console.log(`A model of ${megabytes} MB cannot be packaged: ${error.message}\n`);
    return {ownBytes: Infinity};
  });
  if (first.ms === undefined) return first;
  console.log(
    `A model of ${megabytes} MB, packaged and pushed: ${seconds(first.ms)}, ${size(registry.takeSentBytes())} sent, ` +
      `${size(first.ownBytes)} of memory; ${size(first.bytes)} with the processes that measure the model.\n`,
  );
  return first;
}

/** How much of each layer is in memory once an instance has answered, of files that no memory held before. */
function measureTouched() {
  const args = [
    join(here, 'touched.py'),
    context,
    readFileSync(join(project, 'samples/request.json'), 'utf8'),
  ];
  const {status, stdout, stderr} = spawnSync('python3', args, {encoding: 'utf8'});
  if (status !== 0) {
    console.log(`What is read before the first answer could not be measured: ${stderr.slice(-300)}\n`);
    return;
  }
  console.log('What of the files is read before the first answer, with what the system reads ahead\n');
  const layers = JSON.parse(stdout);
  const sum = (pick) => layers.reduce((total, layer) => total + pick(layer), 0);
  const all = {name: 'in all', touched: sum(({touched}) => touched), bytes: sum(({bytes}) => bytes)};
  printTable(
    ['', 'read', 'of', ''],
    [...layers, all].map(({name, touched, bytes}) => [
      name,
      size(touched),
      size(bytes),
      `${((touched / bytes) * 100).toFixed(0)} %`,
    ]),
  );
}

try {
  const bundle = join(dir, 'thaw.mjs');
  const banner = "import {createRequire} from 'node:module'; const require = createRequire(import.meta.url);";
  await build({
    entryPoints: [join(here, 'thaw.ts')],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    logLevel: 'warning',
    banner: {js: banner},
  });
  console.log(
    `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, Node ${process.version}, load ${loadavg()[0]?.toFixed(1)}\n`,
  );
  await thaw(['init', 'scoring', '--template', 'tabular', '--yes'], dir);
  // Docker measures no model either.
  const settings = join(project, 'thaw.yaml');
  writeFileSync(settings, readFileSync(settings, 'utf8').replace(/quantize: auto/, 'quantize: none'));
  // Fetches what is fetched once, and leaves what the others build from.
  const packaged = JSON.parse((await thaw(['package', '--json', '--push', `${registry.host}/base`])).stdout);
  layContext();
  writeHello();
  if (engine !== null) {
    const importing = `tar -C ${join(context, 'base')} -c . | ${engine.docker} import - thaw-bench-base`;
    await measure('sh', ['-c', importing], {env: engine.env});
  }
  const tools = listTools(bundle);
  for (const name of absent) console.log(`${name} is not here.`);

  console.log('The first time: nothing is kept from before; Node and ONNX Runtime are fetched already\n');
  await compete(tools, 'first');
  // Everybody has pushed once to where the changes go.
  for (const [nth, tool] of tools.entries()) {
    await tool.build?.(`tool-${nth}`);
    await (tool.both ?? tool.push)(`tool-${nth}`);
  }
  console.log('After the handler has changed\n');
  const [ours, , ...others] = await compete(tools, 'handler');
  console.log('After the model has changed\n');
  await compete(tools, 'model');
  const large = Number(given.large) === 0 ? null : await measureLarge(Number(given.large));
  measureTouched();

  const bytes = packaged.image.layers.reduce((total, layer) => total + layer.bytes, 0);
  const images = [{name: 'thaw, the tabular template', bytes}];
  if (given.sizes) images.push(...measurePythonImages(dir));
  printTable(
    ['image, compressed', 'size', ''],
    images.map((image) => [image.name, size(image.bytes), `${(image.bytes / bytes).toFixed(1)} x`]),
  );

  for (const theirs of others.filter(({name}) => name === COPIES || name === BUNDLES)) {
    const ratio = theirs.buildMs / ours.buildMs;
    const share = ours.pushMs / theirs.pushMs;
    const of = (mine, other) => `${seconds(mine)} against ${seconds(other)}`;
    goal(
      `a changed handler is built 5 times faster than by ${theirs.name}`,
      ratio >= 5,
      `${ratio.toFixed(1)} times, ${of(ours.buildMs, theirs.buildMs)}`,
    );
    goal(
      'and pushed in a third of the time of docker push',
      share <= 1 / 3,
      `${share.toFixed(2)}, ${of(ours.pushMs, theirs.pushMs)}`,
    );
  }
  goal('with less than 100 kB', ours.sentBytes < 100_000, size(ours.sentBytes));
  if (large !== null) {
    goal(
      'a large model is built and pushed in less than 300 MB',
      large.ownBytes < 300e6,
      size(large.ownBytes),
    );
  }
  goal('the image is smaller than 60 MB', bytes < 60e6, size(bytes));
  if (given.strict && goals.includes(false)) process.exitCode = 1;
} finally {
  registry.close();
  await engine?.close();
  rmSync(dir, {recursive: true, force: true});
}
