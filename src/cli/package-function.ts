import {dirname, relative, resolve} from 'node:path';
import type {Config} from '../config/config.ts';
import type {Image, Platform} from '../core/image.ts';
import type {Verdict} from '../core/model.ts';
import {buildImage, parseSourceDateEpoch, type BuildStage} from '../image/build.ts';
import {digestFile} from '../image/entries.ts';
import {openFileMemory, type FileMemory} from '../image/file-memory.ts';
import {bundleHandler, type HandlerBundle} from '../image/handler.ts';
import type {Pushed} from '../image/registry/push.ts';
import {readCalibration} from '../model/calibration.ts';
import {openModel, type OpenModel} from '../model/read.ts';
import {serveManifest} from '../model/serve-manifest.ts';
import {onnxRuntimeFor} from '../onnxruntime/index.ts';
import {openBase, readBaseRequest} from './choose-base.ts';
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
  readonly verdict: Verdict;
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
  const bundling = startBundling(config, signal);
  const source = await openModel(config.model.path, signal);
  const {calibration: rowsFile} = config.model;
  const calibration = rowsFile === null ? null : await readCalibration(rowsFile, source.model.inputs);
  const handler = await bundling;

  const base = await openBase(wanted, request);
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
      return judgeModel({config, source, calibration, onnxruntime, packageDir, signal, onStep});
    },
    ({verdict, remembered}) =>
      remembered ? `model as measured before: ${verdict.why}` : `model: ${verdict.why}`,
  );
  const {verdict, chosen} = judgement;
  if (report === 'whole') terminal.note(renderVerdict(verdict, terminal.paint));

  const imageRuntime = await withTask(
    terminal,
    `ONNX Runtime for ${platform}`,
    (task) => onnxRuntimeFor(platform, workshop.fetchPackage, task.bytes, signal),
    ({version}) => `ONNX Runtime ${version} for ${platform}`,
  );
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
        model: chosen.files,
        serve: serveManifest(config.name, source.model, judgement),
        handler: handler?.code ?? null,
        sources: await digestSources(config, source, handler, memory, signal),
        recipe: imageRecipe(config, workshop.installation.version),
        fetchPackage: workshop.fetchPackage,
        onnxruntimeDir: imageRuntime.dir,
        packageDir: workshop.installation.root,
        cacheDir,
        memory,
        layoutDir: imageDir(config),
        epochSeconds: parseSourceDateEpoch(process.env['SOURCE_DATE_EPOCH']),
        progress: (stage, done, total) =>
          task.update(
            `${STAGES[stage] ?? stage} ${formatBytes(done)}${total === null ? '' : ` of ${formatBytes(total)}`}`,
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
    model: chosen.files,
    handler,
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
  return {image, layoutDir, verdict, sbom, pushed, delivered};
}

/** What takes long, and only once. */
const STAGES: {readonly [Stage in BuildStage]?: string} = {runtime: 'runtime, compressed once and kept:'};

/** Bundles the handler, if there is one, while the model is read. Whoever waits for it hears how it failed. */
function startBundling({dir, handler}: Config, signal: AbortSignal): Promise<HandlerBundle | null> {
  const bundling =
    handler === null ? Promise.resolve(null) : bundleHandler(dir, relative(dir, handler), signal);
  bundling.catch(() => undefined);
  return bundling;
}

/** The project's files that an image is made from, with what they hold now. */
async function digestSources(
  {dir, model}: Config,
  source: OpenModel,
  handler: HandlerBundle | null,
  memory: FileMemory,
  signal: AbortSignal,
): Promise<Image['sources']> {
  const external = source.model.externalData.map((path) => resolve(dirname(model.path), path));
  const scripts = (handler?.inputs ?? []).map((path) => resolve(dir, path));
  const files = [
    model.path,
    ...external,
    ...(model.calibration === null ? [] : [model.calibration]),
    ...scripts,
  ];
  const digests = files.map(async (file) => ({
    path: projectPath(dir, file),
    digest: await digestFile(file, memory, signal),
  }));
  return Promise.all(digests);
}
