import * as z from 'zod';
import {FILE_EVENTS, STARTING_POSITIONS, type Trigger} from '../core/function.ts';
import {canonicalJson, type Json, type JsonObject} from '../core/json.ts';
import {OBJECTIVES, QUANTIZE_MODES} from '../core/model.ts';
import {FUNCTION_NAME_RULE, isFunctionName} from '../core/names.ts';
import {definedOnly} from './defined-only.ts';
import {DURATION_EXAMPLE, MEMORY_EXAMPLE, parseDuration, parseMemory} from '../core/units.ts';

/** Names that the platform's contract with the runtime uses itself. */
const RESERVED_ENV = /^(?:PORT|ORT_DISABLE_TELEMETRY|THAW_.*)$/;

const A_DURATION = `must be a duration such as ${DURATION_EXAMPLE}`;
const duration = z
  .string(A_DURATION)
  .refine((text) => parseDuration(text) !== undefined, A_DURATION)
  .transform((text) => parseDuration(text) ?? 0)
  .meta({description: `A duration such as ${DURATION_EXAMPLE}.`});

const AN_AMOUNT = `must be an amount of memory such as ${MEMORY_EXAMPLE}`;
const memory = z
  .string(AN_AMOUNT)
  .refine((text) => parseMemory(text) !== undefined, AN_AMOUNT)
  .transform((text) => parseMemory(text) ?? 0)
  .meta({description: `An amount of memory such as ${MEMORY_EXAMPLE}.`});

/** A limit such as `">=0.998"` or `"<=0.01"`, read as its number. */
const bound = (sign: '>=' | '<=', description: string) => {
  const form = `must be written like "${sign}0.01"`;
  return z
    .string(form)
    .regex(new RegExp(`^\\s*${sign}\\s*\\d+(?:\\.\\d+)?(?:e-?\\d+)?\\s*$`, 'i'), form)
    .transform((text) => Number(text.replace(sign, '')))
    .meta({description});
};

const environmentName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be a name of letters, digits and underscores')
  .refine((name) => !RESERVED_ENV.test(name), 'is a name that thaw gives to the runtime itself');

const count = (min: number) => z.int().min(min);

const resources = z
  .strictObject({
    memory: memory.optional(),
    timeout: duration.optional(),
    cpu: z.number().positive().optional().meta({description: 'Virtual CPUs, where the provider has them.'}),
    concurrency: count(1).optional().meta({description: 'Requests that one instance serves at a time.'}),
  })
  .meta({description: 'What one instance gets.'});

const scaling = z
  .strictObject({max: count(1).optional().meta({description: 'Instances at most.'})})
  .meta({description: 'How far it scales.'});

const warm = z
  .strictObject({
    min: count(0).optional().meta({description: 'Instances kept ready.'}),
    schedule: z
      .array(
        z.strictObject({
          up: z.string(),
          down: z.string(),
          timezone: z.string().default('UTC'),
          min: count(1),
        }),
      )
      .optional(),
  })
  .meta({description: 'How many instances are kept ready, always or on a schedule.'});

const env = z
  .record(environmentName, z.union([z.string(), z.number(), z.boolean()]).transform(String))
  .meta({description: 'Environment variables of the function. Not for secrets: those go under secrets.'});

const secrets = z
  .record(
    environmentName,
    z.string().regex(/^(?:env|[a-z]+:.+)$/, 'must be env or a reference such as store:name'),
  )
  .meta({description: 'Where secret values come from; the values themselves never stand here.'});

const isJson = (value: unknown): boolean => {
  try {
    return canonicalJson(value) !== '';
  } catch {
    return false;
  }
};

const http = z
  .strictObject({http: z.strictObject({auth: z.enum(['iam', 'none']).default('iam')})})
  .transform(({http}): Trigger => ({kind: 'http', auth: http.auth}));
const schedule = z
  .strictObject({
    schedule: z.strictObject({
      cron: z.string().meta({description: 'When: minute, hour, day, month, day of the week.'}),
      input: z
        .unknown()
        .refine(isJson, 'must be JSON')
        .optional()
        .meta({description: 'What the handler is handed.'}),
    }),
  })
  .transform(({schedule: {cron, input}}): Trigger => ({
    kind: 'schedule',
    cron,
    ...(input === undefined ? {} : {input: input as Json}),
  }));
const source = z.strictObject({
  name: z.string().min(1).meta({description: 'The queue, stream or bucket: bucket/what/keys/begin/with.'}),
  batchSize: count(1).optional().meta({description: 'Records in one call at most.'}),
  batchWindow: duration.optional().meta({description: 'How long records are gathered for a call.'}),
  maximumConcurrency: count(1).optional().meta({description: 'Calls at a time at most.'}),
  filter: z
    .array(z.record(z.string(), z.unknown()).refine(isJson, 'must be JSON'))
    .optional()
    .meta({description: 'Patterns of the provider: records are handed over that fit one of them.'}),
  startingPosition: z
    .enum(STARTING_POSITIONS)
    .optional()
    .meta({description: 'Where a stream is begun to be read.'}),
  suffix: z.string().min(1).optional().meta({description: 'What the names of files end in.'}),
  events: z
    .array(z.enum(FILE_EVENTS))
    .min(1)
    .optional()
    .meta({description: 'What happens to files that it is called for.'}),
});
const event = z
  .record(z.string().regex(/^(?!(?:http|schedule)$)/), source)
  .refine((trigger) => Object.keys(trigger).length === 1, 'must name one source')
  .transform((trigger): Trigger => {
    const [kind, {name, batchWindow: batchWindowMs, filter, ...rest}] = Object.entries(trigger)[0] as [
      string,
      z.output<typeof source>,
    ];
    const options = {...rest, batchWindowMs, filter: filter as readonly JsonObject[] | undefined};
    return {kind: 'event', source: kind, name, ...definedOnly(options)};
  });
const triggers = z.array(z.union([http, schedule, event])).meta({description: 'What may call the function.'});

/** What a provider section may say differently from the rest of the file. */
const settings = {
  resources: resources.optional(),
  scaling: scaling.optional(),
  warm: warm.optional(),
  env: env.optional(),
  secrets: secrets.optional(),
  triggers: triggers.optional(),
};
export const SETTING_KEYS = Object.keys(settings) as readonly (keyof typeof settings)[];
export const settingsSchema = z.strictObject(settings);

/** A Python file, and perhaps the name of what answers in it. */
export const PYTHON_HANDLER = /^(.+\.py)(?::([A-Za-z_]\w*))?$/;

const python = z
  .strictObject({
    version: z
      .string('must be quoted, as "3.12"')
      .regex(/^3\.\d{1,2}$/, 'must be a minor version such as "3.12"')
      .optional()
      .meta({description: 'The minor version of the image’s Python; what the interpreter has if left out.'}),
    interpreter: z
      .enum(['auto', 'base', 'standalone', 'host'])
      .default('auto')
      .meta({description: 'Where the interpreter is from: the base, a relocatable build, or this machine.'}),
    requirements: z
      .string()
      .min(1)
      .optional()
      .meta({description: 'The packages it needs: requirements.txt or pyproject.toml if left out.'}),
    provided: z
      .array(z.string().min(1))
      .default([])
      .meta({description: 'Packages that the base has already, so that they are not installed.'}),
    event: z
      .enum(['http', 'direct'])
      .default('http')
      .meta({description: 'What an HTTP request becomes for a handler that takes events.'}),
  })
  .prefault({})
  .meta({description: 'What a handler in Python needs.'});

/** thaw.yaml as it may be written, its values read but nothing filled in. */
export const configSchema = z.strictObject({
  name: z
    .string()
    .refine(isFunctionName, `must be ${FUNCTION_NAME_RULE}`)
    .meta({description: `The function's name: ${FUNCTION_NAME_RULE}.`}),
  model: z
    .strictObject({
      path: z.string().min(1).meta({description: 'The ONNX file, relative to thaw.yaml.'}),
      quantize: z
        .enum(['auto', ...QUANTIZE_MODES])
        .default('auto')
        .meta({description: 'The best form of the model by measurement, or one form by name.'}),
      calibration: z
        .string()
        .min(1)
        .optional()
        .meta({description: 'JSON lines of inputs to judge candidates by.'}),
      accept: z
        .strictObject({
          cosine: bound('>=', 'Least cosine similarity to the original, per output.').optional(),
          nsr: bound('<=', 'Most noise to signal, per output.').optional(),
          top1Drop: bound('<=', 'Most share of rows whose largest score may move.').optional(),
        })
        .default({}),
      objective: z.enum(OBJECTIVES).default('balanced'),
    })
    .optional()
    .meta({description: 'The model; a handler in Python may load its own instead.'}),
  image: z
    .strictObject({
      base: z
        .string()
        .min(1)
        .default('auto')
        .meta({description: 'What the image stands on: auto, host, or an image in a registry.'}),
      platform: z
        .enum(['linux/amd64', 'linux/arm64'])
        .default('linux/amd64')
        .meta({description: 'The operating system and processor that the image is for.'}),
    })
    .prefault({})
    .meta({description: 'What the image is made for, and from.'}),
  handler: z.string().min(1).optional().meta({
    description:
      'The handler file, in Python with what answers in it: app.py:predict. Without one thaw speaks tensors.',
  }),
  python,
  ...settings,
  default: z.string().optional().meta({description: 'The provider that a command means when none is named.'}),
  providers: z.record(z.string(), z.record(z.string(), z.unknown()).nullable()).default({}),
});

export type WrittenConfig = z.output<typeof configSchema>;
export type WrittenSettings = z.output<typeof settingsSchema>;
