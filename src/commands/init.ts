import {join} from 'node:path';
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import {BaseCommand} from '../cli/base-command.ts';

export default class Init extends BaseCommand<typeof Init> {
  static override summary = 'Write a working project, from a template or around your own model or handler.';
  static override description =
    'Asks what it needs to know on a terminal; without one, flags answer. A file that exists is never overwritten ' +
    'without asking.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> demo --template tabular',
    '<%= config.bin %> <%= command.id %> my-function --model path/to/model.onnx',
    '<%= config.bin %> <%= command.id %> --handler app.py',
    '<%= config.bin %> <%= command.id %> --list',
  ];
  static override args = {
    dir: Args.string({ignoreStdin: true, description: 'The folder to write into.', default: '.'}),
  };
  static override flags = {
    template: Flags.string({
      summary: 'The template to start from.',
      helpValue: 'NAME',
      exclusive: ['model', 'handler'],
    }),
    model: Flags.string({summary: 'Your own ONNX file to wrap.', helpValue: 'FILE'}),
    handler: Flags.string({
      summary: 'Your own Python handler to wrap, as it is; with --model it is given that model.',
      helpValue: 'FILE[:NAME]',
    }),
    python: Flags.string({
      summary: 'The Python that reads the handler; by default as for `thaw convert`.',
      helpValue: 'PATH',
      env: 'THAW_PYTHON',
    }),
    name: Flags.string({summary: "The function's name; by default the folder's.", helpValue: 'NAME'}),
    list: Flags.boolean({summary: 'List the templates.'}),
    yes: Flags.boolean({char: 'y', summary: 'Take the default wherever nothing was given.'}),
  };

  async run(): Promise<object> {
    const {initProject, listTemplatesOn} = await import('../cli/init-project.ts');
    const {root} = this.config;
    const templatesDir = join(root, 'templates');
    if (this.flags.list) return listTemplatesOn(this.terminal, templatesDir);
    return initProject({
      ...this.flags,
      python: this.flags.python ?? null,
      dir: this.args.dir,
      templatesDir,
      programsDir: join(root, 'dist', 'python'),
      terminal: this.terminal,
      signal: this.signal,
    });
  }
}
