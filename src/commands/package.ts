import * as Flags from '@oclif/core/flags';
import {ProjectCommand} from '../cli/project-command.ts';

export default class Package extends ProjectCommand<typeof Package> {
  static override summary = 'Quantize the model, judge the result, and build a small image. No Docker.';
  static override description =
    'Measures each form of the model in fresh processes, keeps the original unless another one is better and ' +
    'within accept, and writes an OCI image layout to .thaw/image. The same project gives the same digest.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --push registry.example.com/team/credit-scoring:1',
    '<%= config.bin %> <%= command.id %> --json',
  ];
  static override flags = {
    push: Flags.string({
      summary: 'Push the image to a registry, and print the reference by digest.',
      helpValue: 'REF',
    }),
  };

  async run(): Promise<object> {
    const {project, workshop} = await this.open();
    const {packageFunction} = await import('../cli/package-function.ts');
    const {terminal, signal} = this;
    const push = this.flags.push ?? null;
    const packaged = await packageFunction({project, workshop, terminal, push, signal});
    return {schema: 'thaw.package/1', ...packaged};
  }
}
