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
    '<%= config.bin %> <%= command.id %> --load',
    '<%= config.bin %> <%= command.id %> --json',
  ];
  static override flags = {
    base: Flags.string({
      summary: "What the image stands on: auto, host (this machine's own files) or an image in a registry.",
      helpValue: 'auto|host|REF',
      env: 'THAW_BASE',
    }),
    platform: Flags.option({
      summary: 'What the image is for; the model is judged on this machine all the same.',
      options: ['linux/amd64', 'linux/arm64'] as const,
      env: 'THAW_PLATFORM',
    })(),
    push: Flags.string({
      summary: 'Push the image to a registry, and print the reference by digest.',
      helpValue: 'REF',
    }),
    sbom: Flags.boolean({
      default: true,
      allowNo: true,
      summary: 'Attach the bill of materials to the image that is pushed.',
    }),
    'allow-http': Flags.boolean({
      default: false,
      summary:
        'Speak http without TLS with registries beyond this machine: whoever listens can read the password.',
    }),
    out: Flags.string({summary: 'Also write the OCI image layout to a folder.', helpValue: 'DIR'}),
    archive: Flags.string({
      summary: 'Also write an archive that docker load, podman load and nerdctl load take.',
      helpValue: 'FILE',
    }),
    load: Flags.boolean({
      default: false,
      summary: 'Load the image into the container engine here, and print its name there.',
    }),
    builder: Flags.option({
      summary: 'Who builds the image: thaw, or the container engine here from a generated Dockerfile.',
      options: ['thaw', 'docker'] as const,
      default: 'thaw',
    })(),
    dockerfile: Flags.boolean({
      default: false,
      summary:
        'Write the generated Dockerfile and what it copies to .thaw/docker, and build nothing from it.',
    }),
  };

  async run(): Promise<object> {
    const {project, workshop} = await this.open();
    const {packageFunction} = await import('../cli/package-function.ts');
    const {terminal, signal} = this;
    const {
      base = null,
      platform = null,
      push = null,
      sbom,
      'allow-http': allowHttp,
      out = null,
      archive = null,
      load,
      builder,
      dockerfile,
    } = this.flags;
    const outputs = {out, archive, load, builder, dockerfile};
    const packaged = await packageFunction({
      project,
      workshop,
      terminal,
      base,
      platform,
      push,
      attachSbom: sbom,
      allowHttp,
      outputs,
      signal,
    });
    return {schema: 'thaw.package/1', ...packaged};
  }
}
