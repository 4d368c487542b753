import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import {ProjectCommand} from '../cli/project-command.ts';

export default class Rollback extends ProjectCommand<typeof Rollback> {
  static override summary = 'Make an earlier version live again.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> local',
    '<%= config.bin %> <%= command.id %> local --to 3',
  ];
  static override args = {
    provider: Args.string({ignoreStdin: true, description: 'A provider of thaw.yaml.'}),
  };
  static override flags = {
    to: Flags.string({summary: 'The version; by default the one before.', helpValue: 'VERSION'}),
    yes: Flags.boolean({char: 'y', summary: 'Do not ask.'}),
  };

  async run(): Promise<object> {
    const {project, context} = await this.open();
    const {changeDeployment} = await import('../cli/change-deployment.ts');
    const provider = await project.provider(this.args.provider ?? project.config.default);
    const {to = null, yes} = this.flags;
    const question = `Roll ${project.config.name} back on ${provider.driver.name}?`;
    const request = {project, provider, context, terminal: this.terminal, question, yes};
    const plan = await changeDeployment(request, (view) => view.rollback(to));
    return {schema: 'thaw.rollback/1', plan};
  }
}
