import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import {ProjectCommand} from '../cli/project-command.ts';

export default class Benchmark extends ProjectCommand<typeof Benchmark> {
  static override summary = 'Measure what a cold and a warm request really take.';
  static override description =
    'Whether a request was cold is decided by what the instance says of itself in its answer, not by what was ' +
    'intended. Every sample is kept in .thaw/benchmarks, none is dropped. A quantile that the number of samples ' +
    'cannot carry is not given.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> local --cold 10 --warm 200',
    '<%= config.bin %> <%= command.id %> local --cold 60 --warm 300 --export json=report.json --export md=report.md',
  ];
  static override strict = false;
  static override args = {
    provider: Args.string({ignoreStdin: true, description: 'One or more providers of thaw.yaml.'}),
  };
  static override flags = {
    cold: Flags.integer({summary: 'Cold requests.', default: 10, min: 0}),
    warm: Flags.integer({summary: 'Warm requests.', default: 200, min: 0}),
    data: Flags.string({
      summary: 'The request: JSON, @file, or @- for standard input; by default samples/request.json.',
      helpValue: 'JSON|@FILE|@-',
    }),
    export: Flags.string({
      summary: 'Write the report to a file as well, as json or md.',
      helpValue: 'FORMAT=FILE',
      multiple: true,
      multipleNonGreedy: true,
    }),
  };

  async run(): Promise<object> {
    const [{readExports, writeExports}, {showReport}, {readRequestBody}] = await Promise.all([
      import('../cli/report-exports.ts'),
      import('../cli/show-report.ts'),
      import('../cli/request-body.ts'),
    ]);
    const exports = readExports(this.flags.export ?? []);
    const {project, context} = await this.open();
    const {benchmarkFunction} = await import('../cli/benchmark-function.ts');
    const {cold, warm, data} = this.flags;
    const body = await readRequestBody(data, project.config.dir);
    const providers = await this.providers(project);
    const report = await benchmarkFunction({
      project,
      providers,
      context,
      terminal: this.terminal,
      cold,
      warm,
      body,
    });
    showReport(report, this.terminal);
    await writeExports(report, exports);
    if (report.interrupted) process.exitCode = 130;
    return report;
  }
}
