import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import {BaseCommand} from '../cli/base-command.ts';

export default class Compare extends BaseCommand<typeof Compare> {
  static override summary =
    'Say whether a second report is better, worse, the same, or whether one cannot tell.';
  static override description =
    'Compares what was measured, not two numbers: medians with the interval of their ratio, and how often one is ' +
    'slower than the other. A difference that is smaller than what matters is the same; one that the samples cannot ' +
    'settle is said to be so.';
  static override examples = [
    '<%= config.bin %> benchmark local --export json=before.json',
    '<%= config.bin %> <%= command.id %> before.json after.json',
  ];
  static override args = {
    before: Args.string({
      ignoreStdin: true,
      required: true,
      description: 'A report, as --export json=FILE wrote it.',
    }),
    after: Args.string({ignoreStdin: true, required: true, description: 'Another one.'}),
  };
  static override flags = {
    matters: Flags.string({
      summary: 'The smallest difference that matters.',
      helpValue: 'PERCENT',
      default: '5%',
    }),
    export: Flags.string({
      summary: 'Write the comparison to a file as well: json or md.',
      helpValue: 'FORMAT=FILE',
      multiple: true,
      multipleNonGreedy: true,
    }),
  };

  async run(): Promise<object> {
    const {compareReports} = await import('../cli/benchmark/compare-reports.ts');
    const {before, after} = this.args;
    return compareReports({
      before,
      after,
      matters: this.flags.matters,
      exports: this.flags.export ?? [],
      terminal: this.terminal,
    });
  }
}
