import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import {ProjectCommand} from '../cli/project-command.ts';

export default class Deploy extends ProjectCommand<typeof Deploy> {
  static override summary = 'Make the packaged function run, on this machine or at a cloud.';
  static override description =
    'Looks at what is there, shows what would change, asks, and changes just that. A deploy that was cut off ' +
    'anywhere is finished by the next one.';
  static override examples = ['<%= config.bin %> <%= command.id %> local --yes'];
  static override strict = false;
  static override args = {
    provider: Args.string({ignoreStdin: true, description: 'One or more providers of thaw.yaml.'}),
  };
  static override flags = {
    all: Flags.boolean({summary: 'Every provider of thaw.yaml.'}),
    emulate: Flags.string({
      summary: 'Have this machine run the function as that cloud would, whatever thaw.yaml says; or none.',
      helpValue: 'CLOUD',
    }),
    adopt: Flags.boolean({
      summary: 'Give a function that thaw did not make new code, and change and delete nothing else of it.',
    }),
    'dry-run': Flags.boolean({summary: 'Show the plan and change nothing.'}),
    yes: Flags.boolean({char: 'y', summary: 'Do not ask.'}),
  };

  async run(): Promise<object> {
    const {project, context} = await this.open();
    const {deployFunction, rehearseDeploy} = await import('../cli/deploy-function.ts');
    const {all, yes, emulate, adopt, 'dry-run': dryRun} = this.flags;
    const providers = [];
    for (const provider of await this.providers(project, all, {emulate, adopt})) {
      const request = {project, provider, context, terminal: this.terminal, yes};
      providers.push(await (dryRun ? rehearseDeploy(request) : deployFunction(request)));
    }
    return {schema: 'thaw.deploy/1', providers};
  }
}
