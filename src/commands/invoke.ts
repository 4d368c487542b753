import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import {ProjectCommand} from '../cli/project-command.ts';

export default class Invoke extends ProjectCommand<typeof Invoke> {
  static override summary = 'Send one request and print the answer.';
  static override description =
    'The answer goes to standard output as it came. How the instance started, and where the time went, goes to ' +
    'standard error.';
  static override examples = [
    `<%= config.bin %> <%= command.id %> local --data '{"features": [1, 2, 3]}'`,
    '<%= config.bin %> <%= command.id %> local --data @samples/request.json',
    'cat request.json | <%= config.bin %> <%= command.id %> --data @-',
  ];
  static override args = {
    provider: Args.string({ignoreStdin: true, description: 'A provider of thaw.yaml.'}),
  };
  static override flags = {
    data: Flags.string({
      summary: 'The request: JSON, @file, or @- for standard input; by default samples/request.json.',
      helpValue: 'JSON|@FILE|@-',
    }),
    cold: Flags.boolean({summary: 'Make the request a cold start: no instance is there for it.'}),
  };

  async run(): Promise<object> {
    const {project, context} = await this.open();
    const [{invokeFunction}, {readRequestBody}] = await Promise.all([
      import('../cli/invoke-function.ts'),
      import('../cli/request-body.ts'),
    ]);
    const provider = await project.provider(this.args.provider ?? project.config.default);
    const body = await readRequestBody(this.flags.data, project.config.dir);
    return invokeFunction({project, provider, context, terminal: this.terminal, body, cold: this.flags.cold});
  }
}
