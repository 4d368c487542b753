import * as Args from '@oclif/core/args';
import {ProjectCommand} from '../cli/project-command.ts';

export default class Doctor extends ProjectCommand<typeof Doctor> {
  static override summary = 'Look whether a provider can be deployed to, and say what to do if not.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> local --json',
  ];
  static override strict = false;
  static override args = {
    provider: Args.string({
      ignoreStdin: true,
      description: 'One or more providers; by default all of thaw.yaml.',
    }),
  };

  async run(): Promise<object> {
    const {project, context} = await this.open();
    const [{examineProvider, renderFindings}, {ThawError}] = await Promise.all([
      import('../cli/examine-provider.ts'),
      import('../core/errors.ts'),
    ]);
    const providers = [];
    for (const provider of await this.providers(project, this.argvRest.length === 0)) {
      const {name} = provider.driver;
      const findings = await examineProvider(provider, project.config.name, context);
      this.terminal.result(renderFindings(name, findings, this.terminal.paint));
      providers.push({provider: name, findings});
    }
    const failed = providers.flatMap(({provider, findings}) =>
      findings.filter(({ok}) => !ok).map(({name}) => `${provider}: ${name}`),
    );
    if (failed.length > 0) {
      throw new ThawError('CHECK_FAILED', `not as it has to be: ${failed.join(', ')}`, {failed});
    }
    return {schema: 'thaw.findings/1', providers};
  }
}
