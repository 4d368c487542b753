import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import {ProjectCommand} from '../cli/project-command.ts';

export default class Destroy extends ProjectCommand<typeof Destroy> {
  static override summary = 'Delete a deployment: all that thaw made for it, and nothing else.';
  static override examples = ['<%= config.bin %> <%= command.id %> local --yes'];
  static override strict = false;
  static override args = {
    provider: Args.string({ignoreStdin: true, description: 'One or more providers of thaw.yaml.'}),
  };
  static override flags = {
    all: Flags.boolean({summary: 'Every provider of thaw.yaml.'}),
    yes: Flags.boolean({char: 'y', summary: 'Do not ask.'}),
  };

  async run(): Promise<object> {
    const {project, context} = await this.open();
    const {changeDeployment} = await import('../cli/change-deployment.ts');
    const plans = [];
    for (const provider of await this.providers(project, this.flags.all)) {
      const question = `Delete ${project.config.name} on ${provider.driver.name}?`;
      const request = {project, provider, context, terminal: this.terminal, yes: this.flags.yes, question};
      plans.push(await changeDeployment(request, (view) => view.teardown()));
    }
    return {
      schema: 'thaw.plans/1',
      changes: plans.some((plan) => plan.steps.length > 0),
      plans,
    };
  }
}
