import {relative, resolve} from 'node:path';
import type {Config} from '../../config/config.ts';
import {inspectBundledPackages} from '../../image/bundled-packages.ts';
import {fileEntry} from '../../image/entries.ts';
import {bundleHandler, type HandlerBundle} from '../../image/handler.ts';
import {openNodeRuntime, pinnedNode} from '../../image/node-runtime.ts';
import {ONNX_RUNTIME, onnxRuntimeFor} from '../../onnxruntime/index.ts';
import {withTask} from '../progress.ts';
import type {Code, CodeRequest, PreparedCode} from './code.ts';

/** A handler in JavaScript or TypeScript, in one file with all that it imports; or none. Node runs either. */
export async function prepareJavaScript(config: Config, signal: AbortSignal): Promise<PreparedCode> {
  const {dir, handler} = config;
  const bundle = handler === null ? null : await bundleHandler(dir, relative(dir, handler.file), signal);
  return {bring: (request) => bringJavaScript(bundle, request)};
}

async function bringJavaScript(bundle: HandlerBundle | null, request: CodeRequest): Promise<Code> {
  const {config, platform, workshop, terminal, signal} = request;
  const {fetchPackage, installation} = workshop;
  const runtime = await withTask(
    terminal,
    `ONNX Runtime for ${platform}`,
    async (task) => {
      const onnxruntime = await onnxRuntimeFor(platform, fetchPackage, task.bytes, signal);
      return openNodeRuntime({
        platform,
        packageDir: installation.root,
        onnxruntimeDir: onnxruntime.dir,
        fetchPackage,
        progress: task.bytes,
        signal,
      });
    },
    () => `ONNX Runtime ${ONNX_RUNTIME.version} for ${platform}`,
  );
  return {
    runtime,
    handler: {
      entries: bundle === null ? [] : [fileEntry('opt/thaw/handler/handler.mjs', {bytes: bundle.code})],
      data: [],
      config: [],
    },
    pythonHandler: null,
    sources: (bundle?.inputs ?? []).map((path) => resolve(config.dir, path)),
    contents: {
      language: 'javascript',
      node: pinnedNode(platform),
      onnxruntime: ONNX_RUNTIME,
      packages: bundle === null ? [] : await inspectBundledPackages(config.dir, bundle),
    },
  };
}
