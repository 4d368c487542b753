import {dirname, resolve} from 'node:path';
import type {ModelConfig} from '../config/config.ts';
import type {Image, LayerRole, Platform} from '../core/image.ts';
import type {PythonHandler, ServeManifest, Verdict} from '../core/model.ts';
import {buildImage, parseSourceDateEpoch} from '../image/build.ts';
import {digestFile} from '../image/entries.ts';
import {openFileMemory, type FileMemory} from '../image/file-memory.ts';
import type {ModelFile} from '../image/model-layer.ts';
import type {Pushed} from '../image/registry/push.ts';
import {readCalibration, type Calibration} from '../model/calibration.ts';
import {openModel, type OpenModel} from '../model/read.ts';
import {serveManifest, serveNothing} from '../model/serve-manifest.ts';
import {openBase, readBaseRequest} from './choose-base.ts';
import {prepareCode} from './code/code.ts';
import {layersDirOf, type Workshop} from './compose.ts';
import {
  deliverImage,
  prepareOutputs,
  type Delivered,
  type OutputFlags,
  type Outputs,
} from './image-outputs.ts';
import {judgeModel} from './judge-model.ts';
import {imageDir, imageRecipe, projectPath} from './packaged-image.ts';
import {withTask} from './progress.ts';
import {
  closePushTarget,
  openPushTarget,
  pushPackaged,
  readPushTarget,
  type OpenPushTarget,
} from './push-image.ts';
import type {Project} from './project.ts';
import {renderImage, renderVerdict} from './render-package.ts';
import type {Terminal} from './terminal.ts';
import {writeSbom} from './write-sbom.ts';
import {formatBytes} from '../core/units.ts';

export interface PackageRequest {
  readonly project: Project;
  readonly workshop: Workshop;
  readonly terminal: Terminal;
  /** `auto`, `host` or a reference; null: as thaw.yaml says. */
  readonly base: string | null;
  /** Null: as thaw.yaml says. */
  readonly platform: Platform | null;
  /** Where to push the image; null: nowhere. */
  readonly push: string | null;
  /** Whether the bill of materials shall be found from the image that is pushed. */
  readonly attachSbom: boolean;
  /** Whether http without TLS will do with registries beyond this machine. */
  readonly allowHttp: boolean;
  /** Where it shall go beside that. */
  readonly outputs: OutputFlags;
  /** `steps`: no tables, and no result, for packaging is only a part of what is done. */
  readonly report?: 'whole' | 'steps';
  readonly signal: AbortSignal;
}

/** What a project was packaged as. */
export interface Packaged {
  readonly image: Image;
  readonly layoutDir: string;
  /** Null if the handler brings its own model. */
  readonly verdict: Verdict | null;
  /** The file that lists what is in the image. */
  readonly sbom: string;
  /** Null if it was not pushed. */
  readonly pushed: Pushed | null;
  readonly delivered: Delivered;
}

/** Judges the project's model, builds its image and brings it to where it shall go. What can be wrong is found before anything is fetched. */
export async function packageFunction(request: PackageRequest): Promise<Packaged> {
  const {signal} = request;
  const outputs = await prepareOutputs(request.outputs, request.push, signal);
  const byThaw = request.push !== null && outputs.enginePush === null;
  if (!byThaw) return packageFor(request, outputs, null);
  const target = openPushTarget(await readPushTarget(request.push, signal), request);
  try {
    return await packageFor(request, outputs, target);
  } finally {
    await closePushTarget(target);
  }
}

async function packageFor(
  request: PackageRequest,
  outputs: Outputs,
  target: OpenPushTarget | null,
): Promise<Packaged> {
  const {project, workshop, terminal, report = 'whole', signal} = request;
  const {config} = project;
  const platform = request.platform ?? config.image.platform;
  const wanted = await readBaseRequest(request.base ?? config.image.base, platform, signal);
  const preparing = prepareCode(config, workshop, signal);
  // Whoever waits for it hears how it failed.
  preparing.catch(() => undefined);
  const source = config.model && (await readSource(config.model, signal));
  const prepared = await preparing;
  const base = await openBase(wanted, request);
  const model = source === null ? NO_MODEL : await chooseModel(request, source);
  const modelFiles = source?.files ?? [];
  const code = await prepared.bring({config, platform, base, modelFiles, workshop, terminal, signal});

  const cacheDir = layersDirOf(workshop.installation.cacheDir);
  const memory = await openFileMemory(cacheDir);
  const {image, layoutDir} = await withTask(
    terminal,
    'building the image',
    async (task) =>
      buildImage({
        name: config.name,
        platform,
        base,
        model: model.files,
        serve: planServing(config.name, model.serve, code.pythonHandler),
        runtime: code.runtime,
        handler: code.handler,
        sources: await digestSources(config.dir, [...model.sources, ...code.sources], memory, signal),
        recipe: imageRecipe(config, workshop.installation.version),
        labels: config.image.labels,
        packageDir: workshop.installation.root,
        cacheDir,
        memory,
        layoutDir: imageDir(config),
        epochSeconds: parseSourceDateEpoch(process.env['SOURCE_DATE_EPOCH']),
        progress: (role, done, total) =>
          task.update(
            `${LASTING[role] ?? role} ${formatBytes(done)}${total === null ? '' : ` of ${formatBytes(total)}`}`,
          ),
        signal,
      }),
    ({image}) => `image for ${image.platform}`,
  );
  if (report === 'whole') terminal.note(renderImage(image, terminal.paint));
  const sbom = await writeSbom(config, {
    image,
    thawVersion: workshop.installation.version,
    base,
    model: model.files,
    code: code.contents,
    memory,
    signal,
  });
  await memory.save();
  const attached = request.attachSbom ? sbom : null;
  const pushed = target && (await pushPackaged({image, layoutDir}, attached, target, request));
  const delivered = await deliverImage(outputs, {
    config,
    packaged: {image, layoutDir},
    base: image.base,
    terminal,
    signal,
  });
  const {engineImage} = delivered;
  const name = pushed?.reference ?? engineImage?.pushed ?? engineImage?.reference ?? image.digest;
  if (report === 'whole') terminal.result(name);
  return {image, layoutDir, verdict: model.verdict, sbom, pushed, delivered};
}

/** What takes long, and only once. */
const LASTING: {readonly [Role in LayerRole]?: string} = {
  interpreter: 'Python, compressed once and kept:',
  runtime: 'runtime, compressed once and kept:',
  packages: 'packages, compressed once and kept:',
};

/** The model as it goes into the image. */
interface ChosenModel {
  readonly files: readonly ModelFile[];
  readonly verdict: Verdict | null;
  /** Null if the handler brings its own. */
  readonly serve: ServeManifest | null;
  /** The project's files that it was made from, absolute. */
  readonly sources: readonly string[];
}

const NO_MODEL: ChosenModel = {files: [], verdict: null, serve: null, sources: []};

/** A model that was read, and rows to judge it by. */
interface ModelSource {
  readonly wanted: ModelConfig;
  readonly opened: OpenModel;
  readonly calibration: Calibration | null;
  readonly files: readonly string[];
}

async function readSource(wanted: ModelConfig, signal: AbortSignal): Promise<ModelSource> {
  const {path, calibration: rows} = wanted;
  const opened = await openModel(path, signal);
  const external = opened.model.externalData.map((file) => resolve(dirname(path), file));
  return {
    wanted,
    opened,
    calibration: rows === null ? null : await readCalibration(rows, opened.model.inputs),
    files: [path, ...external, ...(rows === null ? [] : [rows])],
  };
}

/** Judges a model on this machine, and tells what was found. */
async function chooseModel(
  {project, workshop, terminal, report = 'whole', signal}: PackageRequest,
  {wanted, opened, calibration, files}: ModelSource,
): Promise<ChosenModel> {
  const {config} = project;
  const onnxruntime = await withTask(
    terminal,
    'ONNX Runtime to measure with',
    (task) => workshop.hostOnnxRuntime(task.bytes),
    ({version}) => `ONNX Runtime ${version} to measure with`,
  );
  const judgement = await withTask(
    terminal,
    'measuring the model',
    (task) => {
      const onStep = (step: string): void => task.update(step);
      const packageDir = workshop.installation.root;
      return judgeModel({
        config,
        wanted,
        source: opened,
        calibration,
        onnxruntime,
        packageDir,
        signal,
        onStep,
      });
    },
    ({verdict, remembered}) =>
      remembered ? `model as measured before: ${verdict.why}` : `model: ${verdict.why}`,
  );
  const {verdict, chosen} = judgement;
  if (report === 'whole') terminal.note(renderVerdict(verdict, terminal.paint));
  const serve = serveManifest(config.name, opened.model, judgement);
  return {files: chosen.files, verdict, serve, sources: files};
}

/** What the runtime is told: of the model, and of a handler in Python. */
function planServing(
  name: string,
  serve: ServeManifest | null,
  handler: PythonHandler | null,
): ServeManifest {
  return {...(serve ?? serveNothing(name)), ...(handler && {handler})};
}

/** The project's files that an image is made from, with what they hold now. */
async function digestSources(
  dir: string,
  files: readonly string[],
  memory: FileMemory,
  signal: AbortSignal,
): Promise<Image['sources']> {
  const digests = files.map(async (file) => ({
    path: projectPath(dir, file),
    digest: await digestFile(file, memory, signal),
  }));
  return Promise.all(digests);
}
