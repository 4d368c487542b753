import type {Digest, FingerprintFn} from '../core/digest.ts';
import type {FunctionNeeds} from '../core/driver.ts';
import {ThawError} from '../core/errors.ts';
import type {FunctionSpec} from '../core/function.ts';
import type {Config, ProviderConfig} from './config.ts';

/** A function for one provider, with the values that its fingerprints stand for. */
export interface CompleteFunction {
  readonly spec: FunctionSpec;
  /** By name: what a plan's `{$secret: name}` means. Never written anywhere. */
  readonly values: ReadonlyMap<string, string>;
}

/**
 * The function as a provider's driver sees it.
 *
 * @param processEnv where secrets with the source `env` are looked up
 * @throws ThawError SECRET_MISSING naming every secret that is not set
 */
export function completeFunction(
  config: Config,
  provider: ProviderConfig,
  image: Digest,
  fingerprint: FingerprintFn,
  processEnv: {readonly [name: string]: string | undefined},
): CompleteFunction {
  const {settings} = provider;
  const fromEnv = Object.keys(settings.secrets).filter((name) => settings.secrets[name] === 'env');
  const missing = fromEnv.filter((name) => processEnv[name] === undefined);
  if (missing.length > 0) {
    throw new ThawError(
      'SECRET_MISSING',
      `${config.file} takes ${missing.join(', ')} from the environment: not set`,
      {
        names: missing,
      },
    );
  }
  const values = new Map([
    ...Object.entries(settings.env),
    ...fromEnv.map((name) => [name, processEnv[name] ?? ''] as const),
  ]);
  const spec: FunctionSpec = {
    schema: 'thaw.function/1',
    ...functionNeeds(config, provider),
    image,
    env: Object.fromEntries([...values].map(([name, value]) => [name, fingerprint(value)])),
  };
  return {spec, values};
}

/** What is known of the function for one provider from `thaw.yaml` alone. */
export function functionNeeds({name}: Config, {settings}: ProviderConfig): FunctionNeeds {
  const {memoryMb, timeoutMs, cpu, concurrency, maxInstances, warm, secrets, triggers} = settings;
  return {
    name,
    resources: {memoryMb, timeoutMs, cpu, concurrency},
    scaling: {maxInstances},
    warm,
    secrets: Object.fromEntries(Object.entries(secrets).filter(([, source]) => source !== 'env')),
    triggers,
  };
}
