import type {Config} from '../../config/config.ts';
import type {Platform} from '../../core/image.ts';
import type {PythonHandler} from '../../core/model.ts';
import type {Base} from '../../image/base/base.ts';
import type {HandlerParts} from '../../image/build.ts';
import type {RuntimeParts} from '../../image/runtime.ts';
import type {CodeContents} from '../../image/sbom.ts';
import type {Workshop} from '../compose.ts';
import type {Terminal} from '../terminal.ts';
import {prepareJavaScript} from './javascript.ts';
import {preparePython} from './python.ts';

/** What the project's own code is brought together with. */
export interface CodeRequest {
  readonly config: Config;
  readonly platform: Platform;
  readonly base: Base;
  /** The declared model's files and its rows, absolute: they go elsewhere. */
  readonly modelFiles: readonly string[];
  readonly workshop: Workshop;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/** The project's own code and all that it runs on, as parts of an image. */
export interface Code {
  readonly runtime: RuntimeParts;
  readonly handler: HandlerParts;
  /** How a Python handler is called; null for any other. */
  readonly pythonHandler: PythonHandler | null;
  /** The project's files that are in it, absolute. */
  readonly sources: readonly string[];
  readonly contents: CodeContents;
}

/** Code that has been looked at: what can be wrong with it alone is known. */
export interface PreparedCode {
  bring(request: CodeRequest): Promise<Code>;
}

/**
 * Looks at a project's handler, before anything is fetched or measured.
 *
 * @throws ThawError HANDLER_INVALID, PYTHON_UNAVAILABLE, INTERRUPTED
 */
export function prepareCode(config: Config, workshop: Workshop, signal: AbortSignal): Promise<PreparedCode> {
  return config.handler?.language === 'python'
    ? preparePython(config, config.handler, workshop, signal)
    : prepareJavaScript(config, signal);
}
