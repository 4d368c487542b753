import {join} from 'node:path';
import {loadConfig, findConfig, type ProviderReader} from '../config/load.ts';
import type {Config, ProviderConfig} from '../config/config.ts';
import type {Problem} from '../config/document.ts';
import type {Driver, Site} from '../core/driver.ts';
import {ThawError} from '../core/errors.ts';
import type {Json} from '../core/json.ts';
import {loadDriver, PROVIDER_NAMES} from '../providers/index.ts';

/** A provider as a project uses it. */
export interface ProjectProvider {
  readonly config: ProviderConfig;
  readonly driver: Driver;
  readonly site: Site;
}

/** A user's project: its thaw.yaml, read and found valid, and the providers that it names. */
export interface Project {
  readonly config: Config;
  /** @throws ThawError PROVIDER_UNKNOWN */
  provider(name: string): Promise<ProjectProvider>;
}

/**
 * Opens the project around a folder.
 *
 * @param configFile the file to read instead of the nearest thaw.yaml
 * @throws ThawError CONFIG_NOT_FOUND, CONFIG_INVALID
 */
export async function openProject(configFile: string | undefined, cwd: string): Promise<Project> {
  const config = await loadConfig(configFile ?? (await findConfig(cwd)), providerReader);
  return {
    config,
    async provider(name) {
      const section = config.providers.find((provider) => provider.name === name);
      if (!section) {
        const known = config.providers.map((provider) => provider.name);
        const isOffered = PROVIDER_NAMES.includes(name);
        throw new ThawError('PROVIDER_UNKNOWN', `${config.file} has no provider "${name}"`, {
          known,
          ...(isOffered ? {offered: name} : {}),
        });
      }
      const driver = await loadDriver(name);
      return {config: section, driver, site: driver.open(section.options)};
    },
  };
}

/** The folder in which a project keeps what thaw made of it. */
export function thawDir(config: Config): string {
  return join(config.dir, '.thaw');
}

const providerReader: ProviderReader = {
  names: PROVIDER_NAMES,
  async read(name, options) {
    const driver = await loadDriver(name);
    return {
      ...readOptions(driver, options),
      limits: driver.limits,
      triggerProblems: (triggers) => driver.triggerProblems(triggers),
    };
  },
};

type ReadOptions = Awaited<ReturnType<ProviderReader['read']>>;

/** A driver throws all that is wrong with its section at once; here it becomes a list. */
function readOptions(driver: Driver, options: Json): Pick<ReadOptions, 'problems' | 'labels'> {
  try {
    return {problems: [], labels: driver.open(options).imageLabels};
  } catch (error) {
    if (!(error instanceof ThawError) || error.code !== 'CONFIG_INVALID') throw error;
    return {problems: error.facts['problems'] as unknown as readonly Problem[], labels: {}};
  }
}
