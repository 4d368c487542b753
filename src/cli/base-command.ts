import {Command} from '@oclif/core/command';
import * as Flags from '@oclif/core/flags';
import type {Interfaces} from '@oclif/core';
import {describeFailure, failureDocument, renderFailure} from './failure.ts';
import {Terminal} from './terminal.ts';

type FlagsOf<C extends typeof Command> = Interfaces.InferredFlags<
  (typeof BaseCommand)['baseFlags'] & C['flags']
>;
type ArgsOf<C extends typeof Command> = Interfaces.InferredArgs<C['args']>;

/** What all commands share: the common flags, one way out, one way to fail, and a clean stop on Ctrl-C. */
export abstract class BaseCommand<C extends typeof Command = typeof Command> extends Command {
  static override enableJsonFlag = true;

  static override baseFlags = {
    quiet: Flags.boolean({summary: 'Only the result and errors.', env: 'THAW_QUIET', helpGroup: 'GLOBAL'}),
    verbose: Flags.boolean({summary: 'Say more.', env: 'THAW_VERBOSE', helpGroup: 'GLOBAL'}),
    color: Flags.boolean({
      summary: 'Colours where the terminal has them.',
      default: true,
      allowNo: true,
      helpGroup: 'GLOBAL',
    }),
  };

  protected flags!: FlagsOf<C>;
  protected args!: ArgsOf<C>;
  protected argvRest: readonly string[] = [];
  protected terminal = new Terminal({json: this.jsonEnabled(), quiet: false, verbose: false, color: true});
  /** Fires on Ctrl-C and SIGTERM. */
  protected readonly signal: AbortSignal = interruptSignal();

  override async init(): Promise<void> {
    await super.init();
    const ctor = this.ctor as C;
    const {flags, args, argv} = await this.parse({
      flags: ctor.flags,
      baseFlags: ctor.baseFlags,
      enableJsonFlag: ctor.enableJsonFlag,
      args: ctor.args,
      strict: ctor.strict,
    });
    this.flags = flags as FlagsOf<C>;
    this.args = args as ArgsOf<C>;
    this.argvRest = argv as string[];
    const {quiet, verbose, color} = flags as unknown as {quiet: boolean; verbose: boolean; color: boolean};
    this.terminal = new Terminal({json: this.jsonEnabled(), quiet, verbose, color});
  }

  override jsonEnabled(): boolean {
    return (
      this.ctor.enableJsonFlag &&
      (super.jsonEnabled() || ['1', 'true'].includes(process.env['THAW_JSON'] ?? ''))
    );
  }

  override logJson(value: unknown): void {
    this.terminal.document(value as object);
  }

  override async catch(error: unknown): Promise<void> {
    const failure = describeFailure(error);
    process.exitCode = failure.exitCode;
    if (this.jsonEnabled()) this.terminal.document(failureDocument(failure));
    else this.terminal.failure(renderFailure(failure, this.terminal.paint));
  }
}

/** A signal for the first Ctrl-C; a second one ends the process at once. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort(new Error(name));
    });
  }
  return controller.signal;
}
