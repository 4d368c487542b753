import type {Config, Handler} from '../../config/config.ts';
import {ThawError} from '../../core/errors.ts';
import type {Workshop} from '../compose.ts';
import type {PreparedCode} from './code.ts';

/** A handler in Python. */
export function preparePython(
  _config: Config,
  handler: Handler,
  _workshop: Workshop,
  _signal: AbortSignal,
): Promise<PreparedCode> {
  const message = `${handler.file} is Python, which is not supported yet`;
  return Promise.reject(new ThawError('HANDLER_INVALID', message, {file: handler.file}));
}
