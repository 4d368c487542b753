import {dirname, resolve} from 'node:path';
import type {Trigger} from '../core/function.ts';
import type {Json} from '../core/json.ts';
import {DEFAULT_ACCEPT} from '../core/model.ts';
import {definedOnly} from './defined-only.ts';
import type {Config, Handler, ModelConfig, PythonConfig, Settings} from './config.ts';
import {PYTHON_HANDLER, SETTING_KEYS, type WrittenConfig, type WrittenSettings} from './schema.ts';

const HTTP: Trigger = {kind: 'http', auth: 'iam'};

/**
 * Fills in what thaw.yaml leaves out. A provider's section says more than the file's general part; its maps (`env`,
 * `secrets`) add to the general ones.
 *
 * @param overrides the settings that each provider section states, already read
 * @param labels what the image has to carry for its providers
 */
export function completeConfig(
  written: WrittenConfig,
  overrides: ReadonlyMap<string, WrittenSettings>,
  labels: {readonly [name: string]: string},
  file: string,
  fallbackProvider: string,
): Config {
  const dir = dirname(file);
  const names = Object.keys(written.providers);
  return {
    schema: 'thaw.config/1',
    file,
    dir,
    name: written.name,
    model: written.model === undefined ? null : completeModel(written.model, dir),
    image: {...written.image, labels},
    handler: written.handler === undefined ? null : completeHandler(written.handler, dir),
    python: completePython(written.python, dir),
    default: written.default ?? names[0] ?? fallbackProvider,
    providers: (names.length > 0 ? names : [fallbackProvider]).map((name) => ({
      name,
      options: optionsOf(written.providers[name] ?? {}),
      settings: completeSettings(written, overrides.get(name) ?? {}),
    })),
  };
}

function completeModel(model: NonNullable<WrittenConfig['model']>, dir: string): ModelConfig {
  return {
    path: resolve(dir, model.path),
    quantize: model.quantize,
    calibration: model.calibration === undefined ? null : resolve(dir, model.calibration),
    accept: {...DEFAULT_ACCEPT, ...definedOnly(model.accept)},
    objective: model.objective,
  };
}

/** Reads `app.py`, or `app.py:Predictor`. */
function completeHandler(written: string, dir: string): Handler {
  const [, file = written, name = null] = PYTHON_HANDLER.exec(written) ?? [];
  return {file: resolve(dir, file), name, language: file.endsWith('.py') ? 'python' : 'javascript'};
}

function completePython(written: WrittenConfig['python'], dir: string): PythonConfig {
  const {version = null, requirements} = written;
  return {...written, version, requirements: requirements === undefined ? null : resolve(dir, requirements)};
}

/** A provider section without the settings it overrides: what the driver itself reads. */
export function optionsOf(section: {readonly [key: string]: unknown}): Json {
  const own = Object.entries(section).filter(([key]) => !(SETTING_KEYS as readonly string[]).includes(key));
  return Object.fromEntries(own) as Json;
}

function completeSettings(general: WrittenSettings, special: WrittenSettings): Settings {
  const resources = {...definedOnly(general.resources ?? {}), ...definedOnly(special.resources ?? {})};
  const warm = {...definedOnly(general.warm ?? {}), ...definedOnly(special.warm ?? {})};
  return {
    memoryMb: resources.memory ?? 1024,
    timeoutMs: resources.timeout ?? 30_000,
    cpu: resources.cpu ?? null,
    concurrency: resources.concurrency ?? 1,
    maxInstances: special.scaling?.max ?? general.scaling?.max ?? 10,
    warm: {min: warm.min ?? 0, schedule: warm.schedule ?? []},
    env: {...general.env, ...special.env},
    secrets: {...general.secrets, ...special.secrets},
    triggers: special.triggers ?? general.triggers ?? [HTTP],
  };
}
