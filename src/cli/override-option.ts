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
export function overrideOption(
  provider: ProjectProvider,
  option: string,
  value: string | true,
): ProjectProvider {
  const {driver} = provider;
  const properties = driver.optionsSchema['properties'] as {readonly [name: string]: JsonObject} | undefined;
  const property = properties?.[option];
  const values = property?.['enum'];
  const flag = `--${option}`;
  if (value === true) {
    if (property?.['type'] === 'boolean') return withOption(provider, option, true);
    throw new ThawError('USAGE', `${flag} cannot be used with ${driver.name}`, {flag, provider: driver.name});
  }
  if (isInteger(property)) {
    if (!/^\d{1,9}$/.test(value)) {
      throw new ThawError('USAGE', `${flag} must be a whole number, not ${value}`, {flag});
    }
    return withOption(provider, option, Number(value));
  }
  if (!Array.isArray(values)) {
    throw new ThawError('USAGE', `${flag} cannot be used with ${driver.name}`, {flag, provider: driver.name});
  }
  const known = values.map((each) => each ?? NONE);
  if (!known.includes(value)) {
    throw new ThawError('USAGE', `${flag} must be one of ${known.join(', ')}, not ${value}`, {flag, known});
  }
  return withOption(provider, option, value === NONE ? null : value);
}

function withOption({driver, config}: ProjectProvider, option: string, value: Json): ProjectProvider {
  const section = config.options;
  const options = {...(isObject(section) ? section : {}), [option]: value};
  return {driver, config: {...config, options}, site: driver.open(options)};
}

const isInteger = (property: JsonObject | undefined): boolean =>
  [property?.['type'] ?? []].flat().includes('integer');

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
