import {join, relative} from 'node:path';
import type {Config, Handler} from '../../config/config.ts';
import type {HostInterpreter} from '../../core/python.ts';
import {originOf} from '../../image/base/base.ts';
import {fileEntry, type Entry} from '../../image/entries.ts';
import type {LayerPlan} from '../../image/layer.ts';
import {planInterpreter} from '../../image/python/interpreter-layer.ts';
import {openInterpreter, type Interpreter} from '../../image/python/interpreter.ts';
import {planPackages} from '../../image/python/packages-layer.ts';
import {planProject} from '../../image/python/project-layer.ts';
import {planServer, SERVER_IN_IMAGE} from '../../image/python/server-layer.ts';
import type {RuntimeParts} from '../../image/runtime.ts';
import {createFetchFile} from '../../net/fetch-file.ts';
import {ONNX_RUNTIME} from '../../onnxruntime/index.ts';
import {choosePython} from '../../python/choose-python.ts';
import {inspectHandler, type HandlerInspection} from '../../python/inspect-handler.ts';
import {createCompiler} from '../../python/compile.ts';
import {environmentsDirOf} from '../../python/environment.ts';
import {inspectHostInterpreter} from '../../python/host-interpreter.ts';
import {lockPackages, type Lock} from '../../python/lock.ts';
import {bringPackages, type Packages} from '../../python/packages.ts';
import {minorOf} from '../../python/python.ts';
import {readRequirements, type Requirements} from '../../python/requirements.ts';
import type {LockTarget} from '../../python/target.ts';
import type {Tools} from '../../python/tools.ts';
import type {Workshop} from '../compose.ts';
import {withTask, type Task} from '../progress.ts';
import {projectPath} from '../packaged-image.ts';
import {pythonToolsOf} from '../python-tools.ts';
import type {Code, CodeRequest, PreparedCode} from './code.ts';

/** A handler in Python: its project's files as they are, and the packages that they need. */
export async function preparePython(
  config: Config,
  handler: Handler,
  workshop: Workshop,
  signal: AbortSignal,
): Promise<PreparedCode> {
  const {version, provided} = config.python;
  const {named, ...search} = pythonToolsOf(workshop.installation, signal);
  const python = await choosePython({named, version, provided}, search);
  const tools: Tools = {...search, python};
  const file = projectPath(config.dir, handler.file);
  const inspection = await inspectHandler({root: config.dir, file, name: handler.name}, python, tools);
  const {requirements: list} = config.python;
  const requirements = await readRequirements(config.dir, list, () => Promise.resolve(tools));
  const found = {file, handler, inspection, named, tools, requirements};
  return {bring: (request) => bringPython({...request, ...found})};
}

/** What was found before anything was fetched, and what is to be done with it. */
interface PythonRequest extends CodeRequest {
  readonly handler: Handler;
  /** The handler, relative to the project. */
  readonly file: string;
  readonly inspection: HandlerInspection;
  /** The Python that the user has named; null: whichever suits. */
  readonly named: string | null;
  readonly tools: Tools;
  readonly requirements: Requirements | null;
}

async function bringPython(request: PythonRequest): Promise<Code> {
  const {config, handler, file, requirements, platform, base, terminal, signal} = request;
  const interpreter = await bringInterpreter(request);
  const target: LockTarget = {platform, version: interpreter.version, glibc: originOf(base).glibc};
  const {lock, packages} = await bringLocked(request, target);
  for (const line of findUnasked(request, packages)) terminal.warning(line);
  const compiler = await createCompiler(target.version, request.tools);
  if (compiler === null) {
    terminal.note(`  no Python ${target.version} here: nothing is compiled, so it starts slower`);
  }
  const project = await planProject({
    dir: config.dir,
    except: [config.file, ...request.modelFiles],
    compiler,
    signal,
  });
  const serverDir = join(request.workshop.installation.root, 'dist', 'runtime', 'python');
  const runtime = planRuntime(config, interpreter, {
    interpreter: await planInterpreter(interpreter),
    runtime: await planServer(serverDir, compiler, keepIn(request)),
    packages: packages === null ? [] : await planInstalled(packages, target, request),
  });
  const {version, fullVersion, download} = interpreter;
  return {
    runtime,
    handler: {entries: project.entries, data: project.data, config: lockEntries(requirements, lock)},
    pythonHandler: {
      file,
      name: handler.name,
      event: config.python.event,
    },
    sources: [...new Set([...project.files, ...(requirements?.files ?? [])])],
    contents: {
      language: 'python',
      interpreter: interpreter.kind === 'base' ? null : {version: fullVersion ?? version, download},
      packages: packages?.packages ?? [],
    },
  };
}

const keepIn = ({tools}: PythonRequest): string => environmentsDirOf(tools.cacheDir);

async function bringInterpreter(request: PythonRequest): Promise<Interpreter> {
  const {config, tools, platform, base, terminal, signal} = request;
  const {interpreter: wish, version, provided} = config.python;
  const inspectHost = async (minor: string | null): Promise<HostInterpreter> => {
    const python = await choosePython({named: request.named, version: minor, provided}, tools);
    return inspectHostInterpreter(provided, {...tools, python});
  };
  return withTask(
    terminal,
    'Python',
    (task) =>
      openInterpreter({
        wish,
        version,
        preferred: minorOf(tools.python.version),
        provided,
        platform,
        base,
        inspectHost,
        fetchFile: createFetchFile(tools.env),
        createCompiler: (of, own) => createCompiler(of, tools, own),
        keepIn: keepIn(request),
        env: tools.env,
        progress: task.bytes,
        signal,
      }),
    ({why}) => why,
  );
}

/** Locks what the handler needs, and installs what is locked; both null if it needs nothing. */
async function bringLocked(
  {config, tools, requirements, terminal}: PythonRequest,
  target: LockTarget,
): Promise<{readonly lock: Lock | null; readonly packages: Packages | null}> {
  const told = (task: Task): Tools => ({
    ...tools,
    onStep: (step) => task.update(step),
    onNote: (note) => terminal.note(`  ${note}`),
    onOutput: (line) => terminal.detail(line),
  });
  const lock = await withTask(
    terminal,
    'packages',
    (task) =>
      lockPackages(
        {
          projectDir: config.dir,
          requirements,
          additions: config.model === null ? [] : [`onnxruntime==${ONNX_RUNTIME.version}`],
          provided: config.python.provided,
          target,
        },
        told(task),
      ),
    (lock) => (lock === null ? 'packages: none' : describeLock(lock, config.dir)),
  );
  if (lock === null) return {lock, packages: null};
  const options = requirements?.parts.options ?? [];
  const packages = await withTask(
    terminal,
    'installing packages',
    (task) => bringPackages({lock: lock.text, options, projectDir: config.dir}, told(task)),
    () => `packages for ${target.platform}`,
  );
  return {lock, packages};
}

/**
 * What the handler imports and nobody asked for: it may lie in a package of another name, so that this is no more than a
 * hint at what the first start would fail of.
 */
function findUnasked({inspection, config}: PythonRequest, packages: Packages | null): string[] {
  const plain = (name: string): string => name.toLowerCase().replaceAll(/[-_.]+/g, '-');
  const there = new Set(
    [...(packages?.packages ?? []).map(({name}) => name), ...config.python.provided].map(plain),
  );
  return inspection.packages
    .filter(({name, optional}) => !optional && !there.has(plain(name)))
    .map(
      ({name, module, file, line}) =>
        `${file}:${line} imports ${module}, and ${name} is not among the packages`,
    );
}

function describeLock({packages, file, remembered, leftOut}: Lock, dir: string): string {
  const how = remembered ? 'as locked in' : 'locked in';
  const less = leftOut.length === 0 ? '' : `, without ${leftOut.join(', ')}`;
  return `packages: ${packages.length}, ${how} ${relative(dir, file)}${less}`;
}

async function planInstalled(
  {dir}: Packages,
  {platform, glibc}: LockTarget,
  {terminal}: PythonRequest,
): Promise<readonly Entry[]> {
  const {entries, leftOut} = await planPackages(dir, {platform, glibc});
  if (leftOut.length > 0) terminal.note(`  left out, for other processors: ${leftOut.join(', ')}`);
  return entries;
}

function planRuntime(
  {python: {provided}}: Config,
  {kind, version, path, dir, env}: Interpreter,
  entries: {readonly [Role in 'interpreter' | 'runtime' | 'packages']: readonly Entry[]},
): RuntimeParts {
  return {
    record: {kind: 'python', version, interpreter: kind, provided},
    entrypoint: [path, '-s', SERVER_IN_IMAGE],
    path: dir === null ? [] : ['/opt/thaw/python/bin'],
    env: {
      ...env,
      // What is imported lies compiled beside its source, where it could be.
      PYTHONDONTWRITEBYTECODE: '1',
      // A process of an earlier start may have been in the same container: it leaves a mark there.
      THAW_OWNS_SANDBOX: '1',
    },
    // Large, and the same for many functions: compressed once, then found in the cache.
    layers: (['interpreter', 'runtime', 'packages'] as const).map((role): LayerPlan => ({
      role,
      entries: entries[role],
      compression: 7,
    })),
  };
}

/** With them, an engine without containers makes an environment of the same packages. */
function lockEntries(requirements: Requirements | null, lock: Lock | null): readonly Entry[] {
  if (lock === null) return [];
  const text = (path: string, content: string): Entry =>
    fileEntry(`opt/thaw/config/${path}`, {bytes: Buffer.from(content)});
  return [text('requirements.lock', lock.text), text('requirements.txt', requirements?.text ?? '')];
}
