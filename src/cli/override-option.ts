import {ThawError} from '../core/errors.ts';
import type {Json, JsonObject} from '../core/json.ts';
import type {ProjectProvider} from './project.ts';

/** What switches off, on the command line, what thaw.yaml switches on. */
const NONE = 'none';

/**
 * Gives a provider another value of one of its options than thaw.yaml does, as the flag of that name says.
 *
 * @throws ThawError USAGE if the provider has no such option, or the value is none of those it takes
 */
export function overrideOption(provider: ProjectProvider, option: string, value: string): ProjectProvider {
  const {driver, config} = provider;
  const properties = driver.optionsSchema['properties'] as {readonly [name: string]: JsonObject} | undefined;
  const values = properties?.[option]?.['enum'];
  const flag = `--${option}`;
  if (!Array.isArray(values)) {
    throw new ThawError('USAGE', `${flag} cannot be used with ${driver.name}`, {flag, provider: driver.name});
  }
  const known = values.map((each) => each ?? NONE);
  if (!known.includes(value)) {
    throw new ThawError('USAGE', `${flag} must be one of ${known.join(', ')}, not ${value}`, {flag, known});
  }
  const given: Json = value === NONE ? null : value;
  const section = config.options;
  const options = {...(isObject(section) ? section : {}), [option]: given};
  return {driver, config: {...config, options}, site: driver.open(options)};
}

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
