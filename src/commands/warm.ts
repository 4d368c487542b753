import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import {ProjectCommand} from '../cli/project-command.ts';

export default class Warm extends ProjectCommand<typeof Warm> {
  static override summary = 'Keep instances ready, so that no request waits for one to start.';
  static override description =
    'What is applied is then written into thaw.yaml, so that the next deploy keeps it.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> local --min 2',
    '<%= config.bin %> <%= command.id %> local --off',
  ];
  static override args = {
    provider: Args.string({ignoreStdin: true, description: 'A provider of thaw.yaml.'}),
  };
  static override flags = {
    min: Flags.integer({summary: 'Instances kept ready.', min: 0, exclusive: ['off']}),
    off: Flags.boolean({summary: 'Keep none ready.'}),
    'dry-run': Flags.boolean({summary: 'Show the plan and change nothing.'}),
    yes: Flags.boolean({char: 'y', summary: 'Do not ask.'}),
    write: Flags.boolean({summary: 'Write it into thaw.yaml.', default: true, allowNo: true}),
  };

  async run(): Promise<object> {
    const {project, context} = await this.open();
    const {warmFunction} = await import('../cli/warm-function.ts');
    const provider = await project.provider(this.args.provider ?? project.config.default);
    const {min, off, yes, write, 'dry-run': dryRun} = this.flags;
    const wanted = off ? 0 : min;
    return warmFunction({
      project,
      provider,
      context,
      terminal: this.terminal,
      min: wanted,
      yes,
      write,
      dryRun,
    });
  }
}
