import * as Flags from '@oclif/core/flags';
import {ProjectCommand} from '../cli/project-command.ts';

/** Where a project is worked on. */
const PROVIDER = 'local';

export default class Dev extends ProjectCommand<typeof Dev> {
  static override summary = 'Run the function here, and again with every change of its files.';
  static override description =
    'Packages, deploys to this machine and watches the handler, thaw.yaml and the model: what changed is rebuilt and ' +
    'takes over once it has started, without a lost request. Prints a line for each request. Ctrl-C ends it all.';
  static override examples = ['<%= config.bin %> <%= command.id %>'];
  static override flags = {
    engine: Flags.string({
      summary: 'What runs the instances, whatever thaw.yaml says: auto, process or docker.',
      helpValue: 'ENGINE',
    }),
    emulate: Flags.string({
      summary: 'Have this machine run the function as that cloud would, whatever thaw.yaml says; or none.',
      helpValue: 'CLOUD',
    }),
    port: Flags.string({
      summary: 'The port to listen on, whatever thaw.yaml says.',
      helpValue: 'PORT',
    }),
    base: Flags.string({
      summary: "What the image stands on: auto, host (this machine's own files) or an image in a registry.",
      helpValue: 'auto|host|REF',
      env: 'THAW_BASE',
    }),
  };

  async run(): Promise<void> {
    const [workshop, {develop}, {openProject}, {overrideOption}] = await Promise.all([
      this.openWorkshop(),
      import('../cli/dev/develop.ts'),
      import('../cli/project.ts'),
      import('../cli/override-option.ts'),
    ]);
    const {engine, emulate, port, base = null} = this.flags;
    const options = Object.entries({engine, emulate, port, replace: 'when-ready'});
    await develop({
      open: async () => {
        const project = await openProject(this.configFile(), process.cwd());
        const provider = options.reduce(
          (changed, [option, value]) =>
            value === undefined ? changed : overrideOption(changed, option, value),
          await project.provider(PROVIDER),
        );
        return {project, provider};
      },
      workshop,
      terminal: this.terminal,
      base,
      signal: AbortSignal.any([this.signal, goneSignal()]),
    });
  }
}

/** Fires when nobody is left to read: the terminal was closed, or what the output is piped to has ended. */
function goneSignal(): AbortSignal {
  const gone = new AbortController();
  const onGone = (): void => gone.abort(new Error('nobody reads any more'));
  // More than one may come: a terminal's, and its shell's.
  process.on('SIGHUP', onGone);
  process.stdout.on('error', onGone);
  process.stderr.on('error', onGone);
  return gone.signal;
}
