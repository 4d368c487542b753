import type {Command} from '@oclif/core/command';
import type {Context} from '../core/driver.ts';
import * as Flags from '@oclif/core/flags';
import {BaseCommand} from './base-command.ts';
import type {Workshop} from './compose.ts';
import type {Project, ProjectProvider} from './project.ts';

/** A command's surroundings, opened. */
export interface Surroundings {
  readonly project: Project;
  readonly workshop: Workshop;
  readonly context: Context;
}

/** A command about the project around the current folder. */
export abstract class ProjectCommand<C extends typeof Command = typeof Command> extends BaseCommand<C> {
  static override baseFlags = {
    config: Flags.string({
      summary: 'The configuration file; by default thaw.yaml here or in a folder above.',
      env: 'THAW_CONFIG',
      helpValue: 'FILE',
      helpGroup: 'GLOBAL',
    }),
    ...BaseCommand.baseFlags,
  };

  /** Everything heavy is loaded here and not before: flags are wrong more often than projects are opened. */
  protected async open(): Promise<Surroundings> {
    const [{openProject}, workshop] = await Promise.all([import('./project.ts'), this.openWorkshop()]);
    const project = await openProject(this.configFile(), process.cwd());
    return {project, workshop, context: workshop.context(project.config.dir)};
  }

  protected async openWorkshop(): Promise<Workshop> {
    const {openWorkshop} = await import('./compose.ts');
    const {root, version, cacheDir, dataDir} = this.config;
    return openWorkshop({root, version, cacheDir, dataDir}, this.signal);
  }

  /**
   * The providers that were named on the command line, all of them with `all`, or the project's default.
   *
   * @param overrides what flags say instead of thaw.yaml, by the provider's own names of its options
   */
  protected async providers(
    project: Project,
    all = false,
    overrides: {readonly [option: string]: string | boolean | undefined} = {},
  ): Promise<readonly ProjectProvider[]> {
    const {config} = project;
    const named = [...new Set(this.argvRest)];
    const names = all ? config.providers.map(({name}) => name) : named.length > 0 ? named : [config.default];
    const providers = await Promise.all(names.map((name) => project.provider(name)));
    const given = Object.entries(overrides).filter(
      (entry): entry is [string, string | true] => entry[1] !== undefined && entry[1] !== false,
    );
    if (given.length === 0) return providers;
    const {overrideOption} = await import('./override-option.ts');
    return providers.map((provider) =>
      given.reduce((changed, [option, value]) => overrideOption(changed, option, value), provider),
    );
  }

  protected configFile(): string | undefined {
    return (this.flags as {config?: string}).config;
  }
}
