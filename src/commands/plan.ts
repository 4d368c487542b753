import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import {ProjectCommand} from '../cli/project-command.ts';

export default class Plan extends ProjectCommand<typeof Plan> {
  static override summary = 'Show what a deploy would change, and change nothing.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> local --detailed-exitcode',
  ];
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
    'detailed-exitcode': Flags.boolean({summary: 'End with exit code 7 if anything would change.'}),
  };

  async run(): Promise<object> {
    const {project, context} = await this.open();
    const [{planDeploy}, {renderPlan}] = await Promise.all([
      import('../cli/deploy-function.ts'),
      import('../deploy/render-plan.ts'),
    ]);
    const plans = [];
    const {all, emulate, adopt} = this.flags;
    for (const provider of await this.providers(project, all, {emulate, adopt})) {
      const {plan} = await planDeploy({project, provider, context, terminal: this.terminal});
      this.terminal.result(renderPlan(plan).trimEnd());
      plans.push(plan);
    }
    const changes = plans.some((plan) => plan.steps.length > 0);
    if (changes && this.flags['detailed-exitcode']) process.exitCode = 7;
    return {schema: 'thaw.plans/1', changes, plans};
  }
}
