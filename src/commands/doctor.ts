import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import {ProjectCommand} from '../cli/project-command.ts';

export default class Doctor extends ProjectCommand<typeof Doctor> {
  static override summary = 'Look whether a provider can be deployed to, and say what to do if not.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> local --json',
    '<%= config.bin %> <%= command.id %> --policy > policy.json',
  ];
  static override strict = false;
  static override args = {
    provider: Args.string({
      ignoreStdin: true,
      description: 'One or more providers; by default all of thaw.yaml.',
    }),
  };
  static override flags = {
    policy: Flags.boolean({
      summary: 'Print only the least policy that thaw needs there, in the form that the provider takes.',
    }),
  };

  async run(): Promise<object> {
    const {project, context} = await this.open();
    const [examination, {renderJson}, {ThawError}] = await Promise.all([
      import('../cli/examine-provider.ts'),
      import('../cli/render-json.ts'),
      import('../core/errors.ts'),
    ]);
    const {name} = project.config;
    const asked = await this.providers(project, this.argvRest.length === 0);
    if (this.flags.policy) {
      const policies = await examination.readPolicies(project, asked, context);
      const only = examination.onePolicy(
        policies,
        asked.map(({driver}) => driver.name),
      );
      this.terminal.result(renderJson(only.policy));
      return {schema: 'thaw.policy/1', ...only};
    }
    const providers = [];
    for (const provider of asked) {
      const [known] = await examination.readPolicies(project, [provider], context);
      const findings = await examination.examineProvider(project, provider, context);
      // What has to be done stands last, where it is seen.
      if (known) this.terminal.result(`${examination.renderPolicy(known, name, this.terminal.paint)}\n`);
      this.terminal.result(
        examination.renderFindings(
          provider.driver.name,
          findings,
          this.terminal.paint,
          process.stdout.columns,
        ),
      );
      providers.push({provider: provider.driver.name, findings, policy: known?.policy ?? null});
    }
    const failed = providers.flatMap(({provider, findings}) =>
      findings.filter(({ok}) => !ok).map((finding) => `${provider}: ${finding.name}`),
    );
    if (failed.length > 0) {
      throw new ThawError('CHECK_FAILED', `not as it has to be: ${failed.join(', ')}`, {failed, providers});
    }
    return {schema: 'thaw.findings/1', providers};
  }
}
