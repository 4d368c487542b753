import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import {ProjectCommand} from '../cli/project-command.ts';

export default class Logs extends ProjectCommand<typeof Logs> {
  static override summary = 'Show what the instances wrote.';
  static override description = 'With --json and --follow, each line is a JSON document of its own.';
  static override examples = ['<%= config.bin %> <%= command.id %> local --since 10m --follow'];
  static override args = {
    provider: Args.string({ignoreStdin: true, description: 'A provider of thaw.yaml.'}),
  };
  static override flags = {
    follow: Flags.boolean({char: 'f', summary: 'Go on with new lines until Ctrl-C.'}),
    since: Flags.string({
      summary: 'Only lines of this last while, such as 30s, 10m or 2h.',
      helpValue: 'DURATION',
    }),
  };

  async run(): Promise<object | undefined> {
    const {project, context} = await this.open();
    const [{inspectDeployed}, {readSince, renderLogLine}] = await Promise.all([
      import('../cli/deployed.ts'),
      import('../cli/log-lines.ts'),
    ]);
    const {follow} = this.flags;
    const sinceMs = readSince(this.flags.since, context.ports.clock.now());
    const provider = await project.provider(this.args.provider ?? project.config.default);
    const {deployment} = await inspectDeployed(project, provider, context);

    const lines = [];
    for await (const line of provider.site.logs(context, deployment, {follow, sinceMs})) {
      this.terminal.result(renderLogLine(line, this.terminal.paint));
      if (!follow) lines.push({...line});
      else if (this.jsonEnabled()) this.terminal.document({...line}, {indent: 0});
    }
    if (this.signal.aborted) process.exitCode = 130;
    return follow ? undefined : {schema: 'thaw.logs/1', provider: provider.driver.name, lines};
  }
}
