import {accessSync, constants} from 'node:fs';
import {delimiter, join} from 'node:path';
import {ThawError} from '../core/errors.ts';
import type {OpenContainerEngine} from '../core/ports.ts';

/** The value of THAW_DOCKER with which thaw leaves container engines alone, whatever is installed. */
const NO_ENGINE = 'none';
const COMMANDS = ['docker', 'podman', 'nerdctl'] as const;

/**
 * The command line of a container engine as drivers use it. Where none is installed nothing is run to find that out.
 *
 * @throws ThawError ENGINE_UNAVAILABLE, PERMISSION_DENIED, INTERRUPTED
 */
export const openContainerEngine: OpenContainerEngine = async ({command, env, answerMs}, signal) => {
  const named = command ?? wantedCommand();
  if (named === null && !COMMANDS.some(isOnPath)) {
    throw missing(`none of ${COMMANDS.join(', ')} was found on the PATH`, COMMANDS);
  }
  const {openEngine} = await import('../docker/engine.ts');
  const engine = await openEngine(named, signal, {env, answerMs});
  return {
    command: engine.command,
    version: engine.version.version,
    platform: engine.version.platform,
    sure: named !== null || engine.version.daemon,
    run: (purpose, args) => engine.run(purpose, args),
    async bring(image, name, progress) {
      const {bringImage} = await import('./bring-image.ts');
      return bringImage(engine, image, [name], progress);
    },
  };
};

/**
 * The command line that the user names by THAW_DOCKER; null: whichever there is.
 *
 * @throws ThawError ENGINE_UNAVAILABLE if the user wants none
 */
export function wantedCommand(): string | null {
  const named = process.env['THAW_DOCKER'] || null;
  if (named === NO_ENGINE) throw missing('no container engine is wanted (THAW_DOCKER=none)', []);
  return named;
}

const missing = (message: string, commands: readonly string[]): ThawError =>
  new ThawError('ENGINE_UNAVAILABLE', message, {reason: 'no-command', commands: [...commands]});

function isOnPath(program: string): boolean {
  const suffixes = process.platform === 'win32' ? ['.exe', '.cmd', '.bat'] : [''];
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .some((folder) => folder !== '' && suffixes.some((suffix) => canRun(join(folder, program + suffix))));
}

function canRun(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
