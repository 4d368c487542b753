import type {Trigger} from '../../../src/core/function.ts';
import {baseOf, type Desk, type Wanted} from '../conformance/desk.ts';
import {NAME, type AwsHarness} from './harness.ts';

/** One command of a life, and what shall be there after it. */
export interface Stage {
  readonly name: string;
  readonly run: (desk: Desk) => Promise<unknown>;
  /** What is deployed then; null: nothing more is there. */
  readonly wanted: Wanted | null;
  /** Whether a deploy of that has nothing left to do. */
  readonly settled: boolean;
}

const TABLE = 'arn:aws:dynamodb:eu-central-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000';
const BOUNDARY = 'arn:aws:iam::123456789012:policy/boundary';
const TRIGGERS: readonly Trigger[] = [
  {kind: 'http', auth: 'none'},
  {kind: 'schedule', cron: '0 3 * * *'},
  {kind: 'event', source: 'sqs', name: 'orders'},
  {kind: 'event', source: 'dynamodb', name: TABLE},
  {kind: 'event', source: 's3', name: 'uploads/images/'},
];
const WINDOW = {up: '0 8 * * 1-5', down: '0 18 * * 1-5', timezone: 'Europe/Berlin', min: 2};
const WEEKEND = {...WINDOW, up: '0 10 * * 6', down: '0 14 * * 6'};

/** Puts there what belongs to others: what a life's triggers and secrets name. */
export function plantSurroundings({aws}: AwsHarness): void {
  aws.queues.plant('orders');
  aws.buckets.plant('uploads');
  aws.secrets.plant('team/model', JSON.stringify({key: 'of-the-secrets-manager-31415'}));
}

/** What a life comes to, step by step. */
function wantedOf(harness: AwsHarness) {
  const first = baseOf(harness);
  const {spec, options} = first;
  const second: Wanted = {
    ...first,
    image: harness.images[1],
    spec: {
      ...spec,
      resources: {...spec.resources, memoryMb: 1024},
      secrets: {KEY: `ssm:/${NAME}/key`, MODEL_KEY: 'secretsmanager:team/model#key'},
    },
  };
  const called: Wanted = {...second, spec: {...second.spec, triggers: TRIGGERS}};
  const warm: Wanted = {...called, spec: {...called.spec, warm: {min: 1, schedule: []}}};
  const timed: Wanted = {...called, spec: {...called.spec, warm: {min: 1, schedule: [WINDOW]}}};
  const weekend: Wanted = {...called, spec: {...called.spec, warm: {min: 1, schedule: [WINDOW, WEEKEND]}}};
  const other: Wanted = {
    ...second,
    spec: {...second.spec, scaling: {maxInstances: 2000}},
    options: {
      ...options,
      tags: {team: 'scores'},
      permissionsBoundary: BOUNDARY,
      logRetentionDays: null,
    },
  };
  return {first, second, called, warm, timed, weekend, other};
}

/** A function with triggers of every kind, secrets, and instances that are kept ready, also by the clock. */
export const fullOf = (harness: AwsHarness): Wanted => wantedOf(harness).timed;

/** All that can be done with a function, from nothing to nothing. */
export function lifeOf(harness: AwsHarness): readonly Stage[] {
  const {first, second, called, warm, timed, weekend, other} = wantedOf(harness);
  const isZip = first.options['artifact'] === 'zip';
  const deploy = (name: string, wanted: Wanted): Stage => ({
    name,
    run: (desk) => desk.deploy(wanted),
    wanted,
    settled: true,
  });
  const keep = (name: string, wanted: Wanted): Stage => ({
    name,
    run: async (desk) => desk.apply((await desk.inspect(wanted)).warm(wanted.spec.warm), wanted),
    wanted,
    settled: true,
  });
  const plain: readonly Stage[] = [
    deploy('deploy', first),
    deploy('redeploy', second),
    {
      name: 'rollback',
      run: async (desk) => desk.apply((await desk.inspect(first)).rollback(null), first),
      wanted: first,
      settled: false,
    },
    {name: 'cold start', run: (desk) => desk.chill(first), wanted: first, settled: false},
    {name: 'tidy', run: (desk) => desk.tidy(first), wanted: first, settled: false},
    deploy('redeploy after the rollback', second),
  ];
  const rest: readonly Stage[] = [
    deploy('triggers', called),
    keep('warm', warm),
    keep('warm by the clock', weekend),
    keep('warm by the clock less often', timed),
    {name: 'cold start of what is warm', run: (desk) => desk.chill(timed), wanted: timed, settled: false},
    deploy('deploy after a cold start', timed),
    deploy('deploy with other options', other),
    deploy('deploy of all at once', timed),
  ];
  return [
    ...plain,
    ...(isZip ? [] : rest),
    {name: 'destroy', run: (desk) => desk.teardown(second), wanted: null, settled: false},
  ];
}

/** What a user sees after a command, without the marks that differ from one life to the next. */
export async function lookAfter(harness: AwsHarness, desk: Desk, stage: Stage): Promise<unknown> {
  const inventory = (await harness.inventory()).map((name) =>
    name.replace(/thaw-cold-[\da-f]+/, 'thaw-cold-…').replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/, '…'),
  );
  if (stage.wanted === null) return {inventory};
  const view = await desk.inspect(stage.wanted);
  const {status} = view;
  const left = stage.settled ? (await desk.planFrom(view, stage.wanted)).steps.map(({op}) => op) : null;
  const {state, problem, deployment, warmMin} = status;
  const versions = status.versions.map(({image, live}) => ({image, live}));
  return {state, problem, image: deployment?.image ?? null, warmMin, versions, left, inventory};
}
