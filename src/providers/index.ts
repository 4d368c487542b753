import type {Driver} from '../core/driver.ts';
import {ThawError} from '../core/errors.ts';

/** Every provider by name. Each is loaded when it is named, so that naming one cloud loads one SDK. */
const DRIVERS: {readonly [name: string]: () => Promise<Driver>} = {
  local: async () => (await import('./local/driver.ts')).localDriver,
  aws: async () => (await import('./aws/driver.ts')).createAwsDriver(),
};

/** The names of the providers, in the order in which help and reports list them. */
export const PROVIDER_NAMES: readonly string[] = Object.keys(DRIVERS);

/**
 * Loads one provider's driver.
 *
 * @throws ThawError PROVIDER_UNKNOWN
 */
export async function loadDriver(name: string): Promise<Driver> {
  const load = Object.hasOwn(DRIVERS, name) ? DRIVERS[name] : undefined;
  if (load === undefined) {
    throw new ThawError('PROVIDER_UNKNOWN', `${JSON.stringify(name)} is not a provider of thaw`, {
      provider: name,
      known: PROVIDER_NAMES,
    });
  }
  return load();
}
