import {ThawError} from '../../core/errors.ts';
import type {Json, JsonObject} from '../../core/json.ts';
import {DURATION_EXAMPLE, parseDuration} from '../../core/units.ts';
import {CLOUDS, type Cloud} from './emulate/emulation.ts';

/** The section `providers.local` of `thaw.yaml`, complete. */
export type LocalOptions = {
  /** `auto`: containers where an engine answers that runs the image as it is, else processes. */
  readonly engine: 'auto' | 'docker' | 'process';
  /** The cloud whose way of running functions is imitated; null: none. */
  readonly emulate: Cloud | null;
  /** An instance that has had nothing to do for so long is ended. */
  readonly idleTimeoutMs: number;
  /** The port of 127.0.0.1 to listen on; null: the one it had before, or any. */
  readonly port: number | null;
  /** When a changed function takes over: once an instance of it has started, or (null) at once. */
  readonly replace: 'when-ready' | null;
};

const ENGINES = ['auto', 'process', 'docker'] as const;
const IDLE_TIMEOUT_MS_MAX = 24 * 3600_000;

/** What the section may hold, as it is written in `thaw.yaml`. */
export const optionsSchema: JsonObject = {
  type: 'object',
  additionalProperties: false,
  properties: {
    engine: {
      enum: [...ENGINES],
      default: 'auto',
      description:
        'What runs the instances: processes on this machine, or containers of an engine such as Docker or Podman; auto: containers where there is an engine for them.',
    },
    emulate: {
      enum: [...CLOUDS, null],
      default: null,
      description:
        'The cloud whose contract instances find, so that the very image for it can be tried: lambda (the Runtime API), run (Cloud Run), azure (a custom handler of Azure Functions); null: none.',
    },
    idleTimeout: {
      type: 'string',
      default: '5m',
      examples: ['5m', '30s'],
      description: 'How long an instance may be idle before it is ended; at most 24h.',
    },
    port: {
      type: ['integer', 'null'],
      minimum: 1,
      maximum: 65_535,
      default: null,
      examples: [8080],
      description: 'The port of 127.0.0.1 to listen on; null for any.',
    },
    replace: {
      enum: ['when-ready', null],
      default: null,
      description:
        'When a changed function takes over from the one before: when-ready: once an instance of it has started, and never if none can; null: at once.',
    },
  },
};

/**
 * Completes the section of `thaw.yaml`.
 *
 * @throws ThawError CONFIG_INVALID with every mistake in `facts.problems`, each with its path in the section
 */
export function parseOptions(raw: Json): LocalOptions {
  const problems: {path: string[]; message: string; unknownKey?: true; knownKeys?: string[]}[] = [];
  const section: JsonObject = isObject(raw) ? raw : {};
  if (raw !== null && raw !== undefined && !isObject(raw)) {
    problems.push({path: [], message: `must be a map, not ${JSON.stringify(raw)}`});
  }

  const knownKeys = Object.keys(optionsSchema['properties'] as JsonObject);
  for (const key of Object.keys(section).filter((key) => !knownKeys.includes(key))) {
    problems.push({path: [key], message: 'unknown key', unknownKey: true, knownKeys});
  }
  const engine = section['engine'] ?? 'auto';
  if (!ENGINES.some((name) => name === engine)) {
    problems.push({
      path: ['engine'],
      message: `must be auto, docker or process, not ${JSON.stringify(engine)}`,
    });
  }
  const emulate = section['emulate'] ?? null;
  if (emulate !== null && !CLOUDS.some((name) => name === emulate)) {
    problems.push({
      path: ['emulate'],
      message: `must be lambda, run, azure or null, not ${JSON.stringify(emulate)}`,
    });
  }
  const idleTimeout = section['idleTimeout'] ?? '5m';
  const idleTimeoutMs = typeof idleTimeout === 'string' ? parseDuration(idleTimeout) : undefined;
  if (idleTimeoutMs === undefined || idleTimeoutMs > IDLE_TIMEOUT_MS_MAX) {
    const message = `must be a duration such as ${DURATION_EXAMPLE}, at most 24h, not ${JSON.stringify(idleTimeout)}`;
    problems.push({path: ['idleTimeout'], message});
  }
  const port = section['port'] ?? null;
  if (port !== null && !isPort(port)) {
    const message = `must be a whole number from 1 to 65535, not ${JSON.stringify(port)}`;
    problems.push({path: ['port'], message});
  }

  const replace = section['replace'] ?? null;
  if (replace !== null && replace !== 'when-ready') {
    const message = `must be when-ready or null, not ${JSON.stringify(replace)}`;
    problems.push({path: ['replace'], message});
  }

  if (problems.length > 0) {
    const all = problems.map(({path, message}) => [...path, message].join(' ')).join('; ');
    throw new ThawError('CONFIG_INVALID', `providers.local: ${all}`, {problems});
  }
  return {
    engine: engine as LocalOptions['engine'],
    emulate: emulate as Cloud | null,
    idleTimeoutMs: idleTimeoutMs as number,
    port: port as number | null,
    replace: replace as LocalOptions['replace'],
  };
}

const isPort = (value: Json): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
