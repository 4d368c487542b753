import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import {BaseCommand} from '../cli/base-command.ts';
import {CPU_CLASSES, OBJECTIVES, QUANTIZE_MODES} from '../core/model.ts';

export default class Quantize extends BaseCommand<typeof Quantize> {
  static override summary = 'Make a model smaller and faster, and measure what that costs. No Python.';
  static override description =
    'Makes the forms that could pay, holds each against the original on your own rows, times them in fresh ' +
    'processes, and writes the best one. The original is kept unless another is within accept and 10 % better.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> model.onnx --calibration rows.jsonl',
    '<%= config.bin %> <%= command.id %> model.onnx --mode dynamic --out small.onnx',
    "<%= config.bin %> <%= command.id %> model.onnx --calibration rows.jsonl --objective size --accept 'cosine>=0.99'",
  ];
  static override args = {
    model: Args.string({ignoreStdin: true, required: true, description: 'The ONNX file.'}),
  };
  static override flags = {
    mode: Flags.option({
      options: ['auto', ...QUANTIZE_MODES] as const,
      summary: 'The best form by measurement, or one form by name.',
      default: 'auto' as const,
    })(),
    cpu: Flags.option({
      options: CPU_CLASSES,
      summary: 'The kind of CPU that it shall be right on; any cannot saturate anywhere.',
      default: 'any' as const,
    })(),
    objective: Flags.option({
      options: OBJECTIVES,
      summary: 'What it shall be best at; balanced is a cold start and 100 warm requests.',
      default: 'balanced' as const,
    })(),
    calibration: Flags.string({
      summary: 'JSON lines of inputs: half of them calibrate, the other half judges.',
      helpValue: 'FILE',
    }),
    accept: Flags.string({
      summary:
        "How far from the original it may be, such as 'cosine>=0.998', 'nsr<=0.01' or 'top1Drop<=0.005'.",
      helpValue: 'BOUND',
      multiple: true,
      multipleNonGreedy: true,
    }),
    out: Flags.string({
      summary: 'The file to write; by default MODE goes into the name of the model.',
      helpValue: 'FILE',
    }),
  };

  async run(): Promise<object> {
    const [{openWorkshop}, {quantizeModel}] = await Promise.all([
      import('../cli/compose.ts'),
      import('../cli/quantize-model.ts'),
    ]);
    const {root, version, cacheDir, dataDir} = this.config;
    const {mode, cpu, objective, calibration = null, accept = [], out = null} = this.flags;
    return quantizeModel({
      model: this.args.model,
      mode,
      cpu,
      objective,
      calibration,
      accept,
      out,
      workshop: openWorkshop({root, version, cacheDir, dataDir}, this.signal),
      terminal: this.terminal,
      signal: this.signal,
    });
  }
}
