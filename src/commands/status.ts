import * as Args from '@oclif/core/args';
import {ProjectCommand} from '../cli/project-command.ts';

export default class Status extends ProjectCommand<typeof Status> {
  static override summary = 'Say what runs where.';
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
    const {renderStatus} = await import('../cli/render-status.ts');
    const providers = [];
    for (const {site} of await this.providers(project, this.argvRest.length === 0)) {
      const {status} = await site.inspect(context, {name: project.config.name});
      this.terminal.result(renderStatus(status, this.terminal.paint));
      providers.push(status);
    }
    return {schema: 'thaw.statuses/1', providers};
  }
}
