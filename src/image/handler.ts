import {access, realpath} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {extname, join, relative, sep} from 'node:path';
import type * as Esbuild from 'esbuild';
import type {BuildFailure, BuildResult, Message} from 'esbuild';
import {messageOf, ThawError, throwIfInterrupted} from '../core/errors.ts';
import {findAddonPackage, nativeAddonError, refuseNativeAddons, type NativeAddon} from './native-addons.ts';

/** A handler with everything it imports, as one ES module. */
export interface HandlerBundle {
  readonly code: Uint8Array;
  /** The files that went into it, relative to the project, with forward slashes. */
  readonly inputs: readonly string[];
  /** How many bytes of the bundle are from each of them. */
  readonly bytesByInput: ReadonlyMap<string, number>;
}

const EXTENSIONS = ['.mjs', '.js', '.ts', '.mts'];

/**
 * Bundles a handler and checks that it can be served. The bundle depends on the files' content and on where they
 * lie inside the project, not on where the project lies.
 *
 * @param handler the handler's file, relative to the project
 * @throws ThawError HANDLER_INVALID if it is not there, is not JavaScript or TypeScript, cannot be bundled, exports
 * no `predict`, or needs a native addon; INTERRUPTED
 */
export async function bundleHandler(
  projectDir: string,
  handler: string,
  signal: AbortSignal,
): Promise<HandlerBundle> {
  throwIfInterrupted(signal);
  // esbuild names files by their real paths; so they are found to lie in a project that is reached through a link.
  const root = await realpath(projectDir);
  const file = join(root, handler);
  await refuseOtherFiles(handler, file);

  const result = await runEsbuild(root, handler, file);
  throwIfInterrupted(signal);
  const inputs = Object.keys(result.metafile.inputs)
    .filter((input) => !/^[(<]/.test(input))
    .sort();
  const output = Object.values(result.metafile.outputs)[0];
  refuseMissingPredict(handler, output?.exports ?? []);
  const addon = await findAddonPackage(root, inputs);
  if (addon !== null) throw nativeAddonError(handler, addon);
  return {
    code: Buffer.from(withCommonJsNames(result.outputFiles[0]?.text ?? '')),
    inputs,
    bytesByInput: new Map(inputs.map((input) => [input, output?.inputs[input]?.bytesInOutput ?? 0])),
  };
}

async function refuseOtherFiles(handler: string, file: string): Promise<void> {
  const extension = extname(handler);
  if (extension === '.py') {
    throw new ThawError('HANDLER_INVALID', `${handler} is Python, which is not supported yet`, {
      file: handler,
      extensions: EXTENSIONS,
    });
  }
  if (!EXTENSIONS.includes(extension)) {
    throw new ThawError('HANDLER_INVALID', `${handler} is neither JavaScript nor TypeScript`, {
      file: handler,
      extensions: EXTENSIONS,
    });
  }
  try {
    await access(file);
  } catch (cause) {
    throw new ThawError('HANDLER_INVALID', `${handler} does not exist`, {file: handler}, {cause});
  }
}

type Bundle = BuildResult<{metafile: true; write: false}>;

async function runEsbuild(root: string, handler: string, file: string): Promise<Bundle> {
  // Imported, its source would first be searched for the names that it exports.
  const {build} = createRequire(import.meta.url)('esbuild') as typeof Esbuild;
  try {
    return await build({
      absWorkingDir: root,
      entryPoints: [file],
      outfile: 'handler.mjs',
      write: false,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      metafile: true,
      charset: 'utf8',
      legalComments: 'inline',
      logLevel: 'silent',
      define: {__dirname: DIRNAME, __filename: FILENAME},
      plugins: [refuseNativeAddons()],
    });
  } catch (error) {
    if (!isBuildFailure(error)) {
      throw new ThawError(
        'HANDLER_INVALID',
        `${handler} cannot be bundled: ${messageOf(error)}`,
        {file: handler},
        {
          cause: error,
        },
      );
    }
    throw bundlingError(root, handler, error);
  }
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && Array.isArray((error as Partial<BuildFailure>).errors);
}

function bundlingError(root: string, handler: string, failure: BuildFailure): ThawError {
  const addon = failure.errors.find((message) => isNativeAddon(message.detail))?.detail as
    NativeAddon | undefined;
  if (addon !== undefined) {
    const shown = addon.addon.startsWith(root + sep)
      ? relative(root, addon.addon).replaceAll('\\', '/')
      : addon.addon;
    return nativeAddonError(handler, {...addon, addon: shown});
  }
  const mistakes = failure.errors.map(locate);
  const [first] = mistakes;
  const more = mistakes.length > 1 ? ` (and ${mistakes.length - 1} more)` : '';
  const where = first?.file === undefined ? handler : `${first.file}:${first.line}:${first.column}`;
  return new ThawError('HANDLER_INVALID', `${where}: ${first?.text ?? failure.message}${more}`, {
    file: first?.file ?? handler,
    line: first?.line ?? null,
    column: first?.column ?? null,
    mistakes: mistakes.map(({file, line, column, text}) => ({
      file: file ?? handler,
      line: line ?? null,
      column: column ?? null,
      text,
    })),
  });
}

function isNativeAddon(detail: unknown): detail is NativeAddon {
  return typeof detail === 'object' && detail !== null && 'addon' in detail;
}

/** Lines and columns count from 1, as editors do. */
function locate({text, location}: Message) {
  return {file: location?.file, line: location?.line, column: location && location.column + 1, text};
}

function refuseMissingPredict(handler: string, exports: readonly string[]): void {
  if (exports.includes('predict')) return;
  const found = exports.length === 0 ? 'nothing' : exports.join(', ');
  throw new ThawError('HANDLER_INVALID', `${handler} does not export predict; it exports ${found}`, {
    file: handler,
    missing: 'predict',
    exports: [...exports],
  });
}

const DIRNAME = '__thaw_dirname';
const FILENAME = '__thaw_filename';

/**
 * Gives bundled CommonJS packages the names that ES modules lack. Only where they are used: esbuild has then renamed
 * any declaration of the handler's own that would clash.
 */
function withCommonJsNames(code: string): string {
  const lines: string[] = [];
  const uses = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(code);
  if (uses('__require')) {
    lines.push("import {createRequire as __thaw_createRequire} from 'node:module';");
    lines.push('const require = __thaw_createRequire(import.meta.url);');
  }
  if (uses(FILENAME)) {
    lines.push("import {fileURLToPath as __thaw_fileURLToPath} from 'node:url';");
    lines.push(`const ${FILENAME} = __thaw_fileURLToPath(import.meta.url);`);
  }
  if (uses(DIRNAME)) {
    lines.push("import {fileURLToPath as __thaw_pathOf} from 'node:url';");
    lines.push(`const ${DIRNAME} = __thaw_pathOf(new URL('.', import.meta.url)).replace(/[\\\\/]$/, '');`);
  }
  return [...lines, code].join('\n');
}
