import * as Flags from '@oclif/core/flags';
import {BaseCommand} from '../cli/base-command.ts';

export default class Cache extends BaseCommand<typeof Cache> {
  static override summary = 'Show what thaw keeps on this machine to be quick, and remove it.';
  static override description =
    'Unpacked packages (Node, ONNX Runtime) and layers of images, each with its size and its last use. All of it can ' +
    'be fetched or built again. What another process or a deployment is using stays.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --prune --older-than 30d --yes',
  ];
  static override flags = {
    prune: Flags.boolean({summary: 'Remove what nobody is using.'}),
    'older-than': Flags.string({
      summary: 'Of that only what was last used so long ago.',
      helpValue: 'AGE',
      dependsOn: ['prune'],
    }),
    yes: Flags.boolean({char: 'y', summary: 'Do not ask.', dependsOn: ['prune']}),
  };

  async run(): Promise<object> {
    const {pruneCache, showCache} = await import('../cli/cache/cache.ts');
    const {root, version, cacheDir, dataDir} = this.config;
    const {terminal, signal} = this;
    const request = {installation: {root, version, cacheDir, dataDir}, terminal, signal};
    const {prune, 'older-than': olderThan, yes} = this.flags;
    return prune ? pruneCache({...request, olderThan, yes}) : showCache(request);
  }
}
