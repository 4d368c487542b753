import * as z from 'zod';
import {ThawError} from '../core/errors.ts';
import type {Digest} from '../core/digest.ts';
import type {Json, JsonObject} from '../core/json.ts';
import type {Report} from '../core/report.ts';
import {START_CLASSES, type StartClass} from '../core/sample.ts';

const VERSION = 1;
const SCHEMA = `thaw.report/${VERSION}` as const;

const count = z.int().min(0);
const ms = z.number();
const msOrNull = ms.nullable();
const digest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'must be a digest such as sha256:… with 64 hex digits')
  .meta({id: 'digest', description: 'An OCI digest.'}) as unknown as z.ZodType<Digest>;
/** A report is read from JSON, so whatever stands there is some. */
const json = z.unknown() as z.ZodType<Json>;

const times = z.array(ms);
const classes = z
  .object(Object.fromEntries(START_CLASSES.map((name) => [name, count])) as {[C in StartClass]: typeof count})
  .meta({id: 'classes', description: 'Requests by what they turned out to be.'});
const want = z.enum(['cold', 'warm', 'any']);

const summary = z
  .object({
    n: count.meta({description: 'Samples that came out so, by evidence.'}),
    failures: count.meta({description: 'Shots that wanted to come out so and got no good answer.'}),
    minMs: msOrNull,
    maxMs: msOrNull,
    meanMs: msOrNull,
    p50Ms: msOrNull,
    p90Ms: msOrNull,
    p95Ms: msOrNull,
    p99Ms: msOrNull,
    intervals: z.record(z.string(), z.tuple([msOrNull, msOrNull])).meta({
      description:
        'By quantile (p50): distribution-free bounds, each of which alone holds with 95 % confidence.',
    }),
    phases: z
      .record(z.string(), ms)
      .meta({description: 'Median of each reported phase of the client’s wait, in milliseconds.'}),
  })
  .meta({
    id: 'summary',
    description:
      'Statistics of one group of samples, times in milliseconds. A quantile is null where n cannot bound it from ' +
      'above with 95 % confidence.',
  });

const latency = z
  .object({
    n: count,
    minMs: msOrNull,
    maxMs: msOrNull,
    meanMs: msOrNull,
    p50Ms: msOrNull,
    p90Ms: msOrNull,
    p95Ms: msOrNull,
    p99Ms: msOrNull,
    p999Ms: msOrNull,
  })
  .meta({
    id: 'latency',
    description: 'Times of a load. A quantile is null where n cannot bound it from above.',
  });

const loadShape = z
  .discriminatedUnion('kind', [
    z.object({kind: z.literal('rate'), perSecond: z.number(), durationMs: ms}),
    z.object({kind: z.literal('steps'), perSecond: z.array(z.number()), durationMs: ms}),
    z.object({kind: z.literal('burst'), requests: count}),
    z.object({
      kind: z.literal('ramp'),
      fromPerSecond: z.number(),
      toPerSecond: z.number(),
      durationMs: ms,
    }),
  ])
  .meta({id: 'loadShape', description: 'When requests are due.'});

const load = z
  .object({
    shape: loadShape,
    stages: z.array(
      z.object({
        perSecond: z.number().nullable().meta({description: 'Null for a burst; of a ramp, its middle.'}),
        durationMs: ms,
        due: count,
        dropped: count.meta({description: 'Due but never sent. They are in no latency.'}),
        answered: count,
        failed: count,
        latency: latency.meta({description: 'From when a request was due to its answer’s first byte.'}),
        service: latency.meta({description: 'The same from when it was really sent.'}),
        lateP99Ms: msOrNull.meta({
          description: 'How late the generator itself was in sending, 99th percentile.',
        }),
        inFlightMax: count,
        classes,
        instances: count
          .nullable()
          .meta({description: 'Distinct boot ids that answered; null without evidence.'}),
      }),
    ),
    bucketMs: ms,
    timeline: z.array(
      z.object({
        fromMs: ms.meta({description: 'Since the load began; a request belongs to when it was due.'}),
        due: count,
        dropped: count,
        answered: count,
        failed: count,
        cold: count,
        instances: count.nullable(),
        p50Ms: msOrNull,
        p99Ms: msOrNull,
      }),
    ),
    kneePerSecond: z.number().nullable().meta({
      description:
        'The highest rate of a ramp or of steps that the endpoint kept up with; null if it kept up, or never did.',
    }),
    histogram: z.string().meta({
      description: 'All latencies of the load: HdrHistogram V2, compressed, base64, in microseconds.',
    }),
  })
  .meta({id: 'load', description: 'What a load says.'});

const provider = z.object({
  provider: z.string(),
  url: z.string(),
  image: digest.nullable(),
  imageBytes: count
    .nullable()
    .exactOptional()
    .meta({description: 'What the image takes compressed, as it is pulled.'}),
  archive: z.object({bytes: count, unpackedBytes: count}).exactOptional().meta({
    description: 'Where an archive of what is in the image runs: what it takes as it is sent, and unpacked.',
  }),
  notes: z.array(z.string()).meta({description: 'What a reader must know to judge the figures.'}),
  cold: summary,
  warm: summary,
  restored: summary.exactOptional().meta({
    description: 'Good answers of instances that went on from a snapshot; left out where there are none.',
  }),
  unknown: summary
    .exactOptional()
    .meta({description: 'Good answers without evidence; left out where there are none.'}),
  classes,
  missed: z
    .array(z.object({want, got: z.enum(START_CLASSES), count}))
    .meta({description: 'Shots that wanted one class and, by evidence, got another.'}),
  failed: z
    .array(z.object({want, error: z.string(), count}))
    .meta({description: 'Shots that got no good answer, for one reason.'}),
  firstAfterDeployMs: msOrNull.meta({
    description: 'The first cold start after a new image: one of the class cold, but not in the group.',
  }),
  warmOverheadMs: msOrNull.meta({description: 'Median of wait minus infer over warm samples.'}),
  load: load.nullable(),
  times: z
    .object({cold: times, warm: times, restored: times.exactOptional(), unknown: times})
    .exactOptional()
    .meta({
      description:
        'Milliseconds of every good answer, as they came: what the figures were made from. Failures and the first ' +
        'cold start after a new image are in no group.',
    }),
});

/** A report as `--export json=FILE` writes it. Members that this thaw does not know are passed over. */
export const reportSchema = z.object({
  schema: z.literal(SCHEMA),
  thaw: z.string().meta({description: 'The version that measured.'}),
  function: z.string().nullable().meta({description: 'Null for endpoints that thaw did not make.'}),
  startedAt: z.iso.datetime({message: 'must be a moment such as 2026-11-24T10:03:11.123Z'}),
  machine: z
    .record(z.string(), json)
    .meta({description: 'What the figures depend on beside the function itself.'}),
  request: z.object({
    cold: count,
    warm: count,
    load: loadShape.nullable(),
    method: z.string(),
    headers: z.array(z.string()).meta({description: 'Names alone: some values are secrets.'}),
    bodies: z
      .array(z.object({digest, bytes: count, source: z.string()}))
      .meta({description: 'Sent in turn.'}),
  }),
  interrupted: z.boolean().meta({description: 'It was ended before every shot was fired.'}),
  providers: z.array(provider),
  samples: z.string().meta({description: 'The NDJSON file with every sample.'}),
});

/** The JSON Schema of a report, for other programs that read one. */
export function renderReportSchema(): JsonObject {
  const schema = z.toJSONSchema(reportSchema, {io: 'input'}) as JsonObject;
  return {...schema, title: SCHEMA};
}

/**
 * Takes a report out of a JSON value, such as the content of a file.
 *
 * @param name what the value is called in messages
 * @throws ThawError INPUT_INVALID, which names an older or newer schema as such, and otherwise all that is wrong
 */
export function parseReport(value: unknown, name = 'the report'): Report {
  refuseOtherSchemas(value, name);
  const parsed = reportSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({path, message}) => `${path.map(String).join('.')}: ${message}`);
  const [first = '', ...more] = problems;
  const others = more.length === 0 ? '' : `, and ${more.length} more mistakes`;
  throw new ThawError('INPUT_INVALID', `${name} is not a whole report: ${first}${others}`, {
    name,
    problems,
  });
}

function refuseOtherSchemas(value: unknown, name: string): void {
  const schema: unknown = (value as {schema?: unknown} | null)?.schema;
  if (schema === SCHEMA) return;
  const said = typeof schema === 'string' ? schema : null;
  const version = /^thaw\.report\/(\d+)$/.exec(said ?? '')?.[1];
  const facts = {name, schema: said, wanted: SCHEMA};
  if (version === undefined) {
    const saying = said === null ? 'has no "schema"' : `has the schema ${JSON.stringify(said)}`;
    throw new ThawError('INPUT_INVALID', `${name} is not a report of thaw: it ${saying}`, facts);
  }
  const age = Number(version) < VERSION ? 'an older' : 'a newer';
  throw new ThawError(
    'INPUT_INVALID',
    `${name} was written by ${age} thaw: its schema is ${said}, and this thaw reads ${SCHEMA}`,
    facts,
  );
}
