import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import {BaseCommand} from '../cli/base-command.ts';

export default class Convert extends BaseCommand<typeof Convert> {
  static override summary = 'Make an ONNX file of a PyTorch, scikit-learn, XGBoost or LightGBM model.';
  static override description =
    'Runs your own Python, in an environment of its own with converters of fixed versions; says what it will install, ' +
    'and asks. The result is held against the original on made-up inputs, and written only if it agrees.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> pipeline.joblib',
    '<%= config.bin %> <%= command.id %> model.pt --input-shape image=1,3,224,224:FP32',
    '<%= config.bin %> <%= command.id %> my_package.nets:Net --checkpoint weights.pth --input-shape x=1,16 --out net.onnx',
  ];
  static override args = {
    source: Args.string({
      ignoreStdin: true,
      required: true,
      description: 'A model file, or MODULE:CLASS (or MODULE:FUNCTION, FILE.py:CLASS) of a PyTorch model.',
    }),
  };
  static override flags = {
    out: Flags.string({
      summary: 'The file to write; by default the name of the source, with .onnx.',
      helpValue: 'FILE',
    }),
    checkpoint: Flags.string({summary: 'Weights for the class.', helpValue: 'FILE'}),
    'input-shape': Flags.string({
      summary: 'An input: name, sizes (a name for one that varies), and type, FP32 if not given.',
      helpValue: 'NAME=1,3,224,224:FP32',
      multiple: true,
      multipleNonGreedy: true,
    }),
    opset: Flags.integer({summary: 'The ONNX operator set; by default what the converter prefers.', min: 7}),
    python: Flags.string({
      summary: 'The Python to run; by default that of the active environment, else the one on the PATH.',
      helpValue: 'PATH',
      env: 'THAW_PYTHON',
    }),
    yes: Flags.boolean({summary: 'Install and run without asking.'}),
  };

  async run(): Promise<object> {
    const [{openWorkshop}, {convertToOnnx}] = await Promise.all([
      import('../cli/compose.ts'),
      import('../cli/convert-model.ts'),
    ]);
    const {root, version, cacheDir, dataDir} = this.config;
    const {out = null, checkpoint = null, opset = null, python = null, yes} = this.flags;
    return convertToOnnx({
      source: this.args.source,
      out,
      checkpoint,
      inputShapes: this.flags['input-shape'] ?? [],
      opset,
      python,
      yes,
      workshop: openWorkshop({root, version, cacheDir, dataDir}, this.signal),
      terminal: this.terminal,
      signal: this.signal,
    });
  }
}
