import {mkdtemp, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {findConfig, loadConfig, type ProviderReader} from '../../../src/config/load.ts';
import type {PlacedProblem} from '../../../src/config/document.ts';
import type {Limits} from '../../../src/core/driver.ts';
import type {Trigger} from '../../../src/core/function.ts';
import {ThawError} from '../../../src/core/errors.ts';

const limits: Limits = {
  memoryMb: {min: 128, max: 10_240},
  timeoutMs: {max: 900_000},
  concurrency: {min: 1, max: 8},
  maxInstances: {min: 1, max: 100},
  cpu: null,
  platforms: ['linux/amd64'],
  imageBytes: {compressed: null, unpacked: null},
  requestBytes: 6_000_000,
  auth: ['iam', 'none'],
  triggers: {
    http: [],
    schedule: ['input'],
    queue: ['batchSize', 'batchWindowMs', 'filter'],
    files: ['events'],
    bell: [],
    pipe: ['maximumConcurrency'],
  },
  secretStores: ['vault'],
  scaleToZero: true,
  warm: {min: true, schedule: false},
  whenFull: 'wait',
  forceCold: 'chill',
  rollback: true,
  snapshots: false,
  runsImage: false,
};

const providers: ProviderReader = {
  names: ['local', 'elsewhere'],
  async read(name, options) {
    const known = ['engine', 'idleTimeout'];
    const strangers = Object.keys(options as object).filter((key) => !known.includes(key));
    const problems = strangers.map((key) => ({
      path: [key],
      message: 'unknown key',
      unknownKey: true,
      knownKeys: known,
    }));
    const {engine} = options as {engine?: string};
    const labels: {[name: string]: string} = engine === undefined ? {} : {[`engine.${engine}`]: 'Allow'};
    const triggerProblems = (triggers: readonly Trigger[]) =>
      triggers.flatMap((trigger, index) =>
        trigger.kind === 'event' && (trigger.batchSize ?? 1) > 10 && trigger.batchWindowMs === undefined
          ? [{path: ['triggers', index, trigger.source, 'batchWindow'], message: 'is needed'}]
          : [],
      );
    const {bell: _, ...withoutBell} = limits.triggers;
    const triggersOf = name === 'local' ? withoutBell : limits.triggers;
    return {problems, labels, limits: {...limits, triggers: triggersOf}, triggerProblems};
  },
};

async function load(text: string) {
  const file = join(await mkdtemp(join(tmpdir(), 'thaw-config-')), 'thaw.yaml');
  await writeFile(file, text);
  return loadConfig(file, providers);
}

/** What is wrong with a text, as `line:column path message nearest`. */
async function problemsOf(text: string): Promise<string[]> {
  const error = await load(text).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ThawError);
  const {code, facts} = error as ThawError;
  expect(code).toBe('CONFIG_INVALID');
  return (facts['problems'] as unknown as PlacedProblem[]).map(
    ({line, column, path, message, nearest}) =>
      `${line}:${column} ${path} ${message}${nearest ? ` (${nearest})` : ''}`,
  );
}

describe('a valid thaw.yaml', () => {
  it('needs a name and a model, and is completed with defaults', async () => {
    const config = await load('name: scoring\nmodel: {path: model.onnx}\n');
    expect(config).toMatchObject({
      name: 'scoring',
      model: {quantize: 'auto', calibration: null, accept: {cosine: 0.998, nsr: 0.01, top1Drop: 0.005}},
      image: {base: 'auto', platform: 'linux/amd64'},
      handler: null,
      default: 'local',
    });
    expect(config.model?.path).toBe(join(config.dir, 'model.onnx'));
    expect(config.providers).toEqual([
      {
        name: 'local',
        options: {},
        settings: {
          memoryMb: 1024,
          timeoutMs: 30_000,
          cpu: null,
          concurrency: 1,
          maxInstances: 10,
          warm: {min: 0, schedule: []},
          env: {},
          secrets: {},
          triggers: [{kind: 'http', auth: 'iam'}],
        },
      },
    ]);
  });

  it('lets a provider section say more than the general part, and keeps its own options apart', async () => {
    const config = await load(`
name: scoring
model: {path: model.onnx, accept: {cosine: '>=0.9'}}
resources: {memory: 512Mi, timeout: 5s}
env: {LEVEL: info, LIMIT: 3}
providers:
  local: {engine: auto, idleTimeout: 5m, resources: {memory: 2Gi}, env: {LEVEL: debug}}
`);
    const [local] = config.providers;
    expect(local?.options).toEqual({engine: 'auto', idleTimeout: '5m'});
    expect(local?.settings).toMatchObject({
      memoryMb: 2048,
      timeoutMs: 5000,
      env: {LEVEL: 'debug', LIMIT: '3'},
    });
    expect(config.model?.accept).toEqual({cosine: 0.9, nsr: 0.01, top1Drop: 0.005});
  });

  it('says what the image stands on and what it is for, each alone', async () => {
    const imageOf = async (section: string) =>
      (await load(`name: scoring\nmodel: {path: model.onnx}\nimage: ${section}\n`)).image;
    expect(await imageOf('{base: host}')).toMatchObject({base: 'host', platform: 'linux/amd64'});
    expect(await imageOf('{platform: linux/arm64}')).toMatchObject({base: 'auto', platform: 'linux/arm64'});
  });

  it('gives the image every label that the options of a provider ask for', async () => {
    const plain = 'name: scoring\nmodel: {path: model.onnx}\n';
    expect((await load(plain)).image.labels).toEqual({});
    const two = 'providers:\n  local: {engine: a}\n  elsewhere: {engine: b}\n';
    expect((await load(plain + two)).image.labels).toEqual({'engine.a': 'Allow', 'engine.b': 'Allow'});
  });

  it('reads a handler in Python, which may bring its own model', async () => {
    const config = await load(`
name: scoring
handler: src/app.py:Predictor
python: {version: "3.12", provided: [torch], requirements: needs.txt}
`);
    expect(config).toMatchObject({
      model: null,
      handler: {file: join(config.dir, 'src/app.py'), name: 'Predictor', language: 'python'},
      python: {
        version: '3.12',
        interpreter: 'auto',
        requirements: join(config.dir, 'needs.txt'),
        provided: ['torch'],
        event: 'http',
      },
    });
    const plain = await load('name: scoring\nmodel: {path: m.onnx}\nhandler: handler.mjs\n');
    expect(plain.handler).toMatchObject({name: null, language: 'javascript'});
  });

  it('reads triggers of every kind', async () => {
    const {providers} = await load(`
name: scoring
model: {path: model.onnx}
triggers: [{http: {auth: none}}, {schedule: {cron: '0 8 * * *'}}, {queue: {name: jobs}}]
`);
    expect(providers[0]?.settings.triggers).toEqual([
      {kind: 'http', auth: 'none'},
      {kind: 'schedule', cron: '0 8 * * *'},
      {kind: 'event', source: 'queue', name: 'jobs'},
    ]);
  });

  it('reads what is said of triggers', async () => {
    const {providers} = await load(`
name: scoring
model: {path: model.onnx}
triggers:
  - schedule: {cron: '0 8 * * *', input: {rows: [1, null]}}
  - queue: {name: jobs, batchSize: 20, batchWindow: 5s, filter: [{"body": {"kind": ["order"]}}]}
  - files: {name: uploads/in/, events: [created, removed]}
providers: {elsewhere: {}}
`);
    expect(providers[0]?.settings.triggers).toEqual([
      {kind: 'schedule', cron: '0 8 * * *', input: {rows: [1, null]}},
      {
        kind: 'event',
        source: 'queue',
        name: 'jobs',
        batchSize: 20,
        batchWindowMs: 5000,
        filter: [{body: {kind: ['order']}}],
      },
      {kind: 'event', source: 'files', name: 'uploads/in/', events: ['created', 'removed']},
    ]);
  });
});

describe('a thaw.yaml with mistakes', () => {
  it('names the platforms that an image can be for', async () => {
    expect(
      await problemsOf('name: scoring\nmodel: {path: m}\nimage: {platform: linux/arm, bse: host}\n'),
    ).toEqual([
      '3:19 image.platform must be linux/amd64 or linux/arm64, not "linux/arm"',
      '3:30 image.bse unknown key (base)',
    ]);
  });

  it('reports five mistakes as five, each with its line, column and nearest key', async () => {
    expect(
      await problemsOf(`name: Credit Scoring
modle: {path: model.onnx}
model:
  path: model.onnx
  quantise: auto
resources:
  memory: 12
providers:
  locl: {engine: auto}
`),
    ).toEqual([
      '1:7 name must be 2 to 32 lower-case letters, digits and single hyphens, a letter first and no hyphen last, not "Credit Scoring"',
      '2:1 modle unknown key (model)',
      '5:3 model.quantise unknown key (quantize)',
      '7:11 resources.memory must be an amount of memory such as 512Mi or 1Gi, not 12',
      '9:3 providers.locl unknown provider (local)',
    ]);
  });

  it('places what is missing at the mapping that lacks it', async () => {
    expect(await problemsOf('name: scoring\nmodel:\n  quantize: none\n')).toEqual([
      '2:1 model.path is missing',
    ]);
    expect(await problemsOf('model: {path: m.onnx}\n')).toEqual(['1:1 name is missing']);
    expect(await problemsOf('')).toEqual(['1:1 name is missing', '1:1 model is missing']);
  });

  it('finds the mistakes of a provider section together with those of the rest', async () => {
    const text =
      'name: scoring\nmodel: {path: m.onnx}\nscaling: {max: 0}\nproviders: {local: {idelTimeout: 5m, warm: {min: -1}}}\n';
    expect(await problemsOf(text)).toEqual([
      '3:16 scaling.max must be at least 1, not 0',
      '4:21 providers.local.idelTimeout unknown key (idleTimeout)',
      '4:50 providers.local.warm.min must be at least 0, not -1',
    ]);
  });

  it('holds settings to the limits of each provider, where they stand', async () => {
    const text = (where: string) => `name: scoring\nmodel: {path: m.onnx}\n${where}\n`;
    expect(await problemsOf(text('resources: {memory: 64Mi, cpu: 2}\nproviders: {local: {}}'))).toEqual([
      '3:21 resources.memory local takes 128Mi to 10Gi, not 64Mi',
      '3:32 resources.cpu local gives CPU by memory and takes no number',
    ]);
    expect(await problemsOf(text('providers: {local: {resources: {concurrency: 99}}}'))).toEqual([
      '3:46 providers.local.resources.concurrency local takes 1 to 8, not 99',
    ]);
    expect(await problemsOf(text('scaling: {max: 2}\nwarm: {min: 3}\nproviders: {local: {}}'))).toEqual([
      '4:13 warm.min keeps 3 instances ready, more than scaling.max 2',
    ]);
  });

  it('says where settings stand that one provider takes and another does not', async () => {
    const text = `name: scoring
model: {path: m.onnx}
triggers: [{http: {}}, {bell: {name: door}}]
providers: {local: {}, elsewhere: {}}
`;
    expect(await problemsOf(text)).toEqual([
      '3:24 triggers.1 local has no bell trigger; what is for others alone stands in providers.elsewhere.triggers',
    ]);
    const apart = text.replace(', {bell: {name: door}}', '');
    const own = apart.replace('elsewhere: {}', 'elsewhere: {triggers: [{bell: {name: door}}]}');
    await expect(load(own)).resolves.toMatchObject({name: 'scoring'});
  });

  it('holds triggers to what a provider has, and to what it says of them', async () => {
    const text = (triggers: string) =>
      `name: scoring\nmodel: {path: m.onnx}\ntriggers:\n${triggers}\nproviders: {elsewhere: {}}\n`;
    expect(
      await problemsOf(
        text(`  - queue: {name: jobs, suffix: .jpg}
  - bus: {name: jobs}
  - http: {}
  - http: {auth: none}
  - bell: {name: door, suffix: x}`),
      ),
    ).toEqual([
      '4:33 triggers.0.queue.suffix elsewhere takes batchSize, batchWindow, filter for queue',
      '5:5 triggers.1 elsewhere has no bus trigger',
      '7:5 triggers.3 is there already: triggers.2',
      '8:32 triggers.4.bell.suffix elsewhere takes nothing of the kind for bell',
    ]);
    expect(await problemsOf(text('  - queue: {name: jobs, batchSize: 11}'))).toEqual([
      '4:5 triggers.0.queue.batchWindow is needed',
    ]);
    expect(await problemsOf(text('  - pipe: {name: jobs, maximumConcurrency: 11}'))).toEqual([
      '4:44 triggers.0.pipe.maximumConcurrency calls 11 at a time, more than scaling.max 10 takes',
    ]);
    const special = 'name: scoring\nmodel: {path: m.onnx}\nproviders:\n  elsewhere:\n    triggers:\n';
    expect(await problemsOf(`${special}      - queue: {name: jobs, batchSize: 11}\n`)).toEqual([
      '6:9 providers.elsewhere.triggers.0.queue.batchWindow is needed',
    ]);
    expect(
      await problemsOf(
        text(`  - queue: {name: jobs, batchsize: 2}
  - queue: {batchSize: 0}
  - queue: {name: jobs, batchWindow: 5, filter: [{body: [.inf]}]}
  - files: {name: uploads, events: [changed]}
  - schedule: {crom: '* * * * *'}
  - http: {name: jobs}`),
      ),
    ).toEqual([
      '4:25 triggers.0.queue.batchsize unknown key (batchSize)',
      '5:5 triggers.1.queue.name is missing',
      '5:24 triggers.1.queue.batchSize must be at least 1, not 0',
      '6:38 triggers.2.queue.batchWindow must be a duration such as 500ms, 30s, 5m or 1h, not 5',
      '6:50 triggers.2.queue.filter.0 must be JSON, not {"body":[null]}',
      '7:37 triggers.3.files.events.0 must be created or removed, not "changed"',
      '8:5 triggers.4.schedule.cron is missing',
      '8:16 triggers.4.schedule.crom unknown key (cron)',
      '9:12 triggers.5.http.name unknown key',
    ]);
  });

  it('says which way of writing a value is meant', async () => {
    const text = `name: scoring
model: {path: m.onnx, quantize: int3, accept: {cosine: 0.9}}
resources: {timeout: 30}
env: {PORT: '1', 9lives: x}
secrets: {KEY: plain}
triggers: [{http: {auth: open}}]
default: nowhere
`;
    expect(await problemsOf(text)).toEqual([
      '2:33 model.quantize must be auto, none, dynamic, static, weights, int8-blocks, int4 or fp16, not "int3"',
      '2:56 model.accept.cosine must be written like ">=0.01", not 0.9',
      '3:22 resources.timeout must be a duration such as 500ms, 30s, 5m or 1h, not 30',
      '4:7 env.PORT is a name that thaw gives to the runtime itself',
      '4:18 env.9lives must be a name of letters, digits and underscores',
      '5:16 secrets.KEY must be env or a reference such as store:name, not "plain"',
      '6:26 triggers.0.http.auth must be iam or none, not "open"',
    ]);
  });

  it('says what only a handler in Python can have, or be without', async () => {
    expect(await problemsOf('name: scoring\nhandler: handler.mjs\npython: {event: direct}\n')).toEqual([
      '1:1 model is missing: only a handler in Python can load its own',
      '3:9 python is for a handler in Python, and there is none',
    ]);
    expect(await problemsOf('name: scoring\nhandler: a.py\npython: {version: 3.12, event: queue}\n')).toEqual(
      [
        '3:19 python.version must be quoted, as "3.12", not 3.12',
        '3:32 python.event must be http or direct, not "queue"',
      ],
    );
  });

  it('reports a mistake of YAML itself by its place', async () => {
    const [problem] = await problemsOf('name: scoring\nmodel: {path: m.onnx\nhandler: x\n');
    expect(problem).toMatch(/^3:\d+ /);
  });
});

describe('finding thaw.yaml', () => {
  it('looks in the folder and above it', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'thaw-config-'));
    await expect(findConfig(join(dir, 'a', 'b'))).rejects.toMatchObject({code: 'CONFIG_NOT_FOUND'});
    await writeFile(join(dir, 'thaw.yaml'), '');
    expect(await findConfig(join(dir, 'a', 'b'))).toBe(join(dir, 'thaw.yaml'));
  });
});
