import {fileURLToPath} from 'node:url';
import * as Errors from '@oclif/core/errors';
import {run} from '@oclif/core/run';
import {nearest} from '../config/nearest.ts';
import {describeFailure, failureDocument, renderFailure, type Failure} from './failure.ts';
import {Terminal} from './terminal.ts';

/** Runs the command line and ends the process with the exit code that was set. */
export async function main(binUrl: string, argv: readonly string[] = process.argv.slice(2)): Promise<void> {
  const json = argv.includes('--json');
  try {
    await run([...argv], fileURLToPath(binUrl));
  } catch (error) {
    if (!(error instanceof Errors.ExitError)) {
      const failure = withCommandHint(describeFailure(error), argv, await commandIds(binUrl));
      const terminal = new Terminal({json, quiet: false, verbose: false, color: true});
      if (json) terminal.document(failureDocument(failure));
      else terminal.failure(renderFailure(failure, terminal.paint));
      process.exitCode = failure.exitCode;
    }
  }
  // Idle keep-alive connections must not hold the process, and pipes must have taken everything.
  process.stdout.write('', () => process.stderr.write('', () => process.exit()));
}

async function commandIds(binUrl: string): Promise<readonly string[]> {
  const {readFile} = await import('node:fs/promises');
  const manifest = JSON.parse(await readFile(new URL('../oclif.manifest.json', binUrl), 'utf8')) as {
    commands: object;
  };
  return Object.keys(manifest.commands);
}

/** A command that does not exist was probably meant to be one that does. */
function withCommandHint(failure: Failure, argv: readonly string[], ids: readonly string[]): Failure {
  const word = argv[0] ?? '';
  if (failure.code !== 'USAGE' || ids.includes(word)) return failure;
  const meant = nearest(word, ids);
  return {
    ...failure,
    message: `there is no command "${word}"${meant ? `, did you mean "${meant}"?` : ''}`,
    hints: meant ? [`$ thaw ${[meant, ...argv.slice(1)].join(' ')}`] : failure.hints,
  };
}
