import type {SettingProblem} from '../../../core/driver.ts';
import type {EventTrigger, Trigger} from '../../../core/function.ts';
import {canonicalJson, type Json} from '../../../core/json.ts';
import {formatDuration} from '../../../core/units.ts';
import {toAwsCron} from './cron.ts';
import {bucketRuleOf, eventTriggers, overlap, scheduledEvent} from './triggers.ts';

const BATCH_MAX = {queue: 10_000, fifo: 10, stream: 10_000};
/** A queue's batches may be larger only if they are gathered for some time. */
const BATCH_WITHOUT_WINDOW_MAX = 10;
const WINDOW_S_MAX = 300;
const CONCURRENCY = {min: 2, max: 1000};
/** Five, until AWS raises it on request. */
const FILTERS_MAX = 10;
const PATTERN_CHARS_MAX = 4096;
const INPUT_CHARS_MAX = 8192;

/** What AWS does not take of triggers, by what they say themselves. */
export function triggerProblems(triggers: readonly Trigger[]): readonly SettingProblem[] {
  return [
    ...triggers.flatMap((trigger, index) =>
      problemsOf(trigger).map(({path, message}) => ({path: ['triggers', index, ...path], message})),
    ),
    ...twins(triggers),
    ...overlaps(triggers),
  ];
}

type Refused = SettingProblem;

function problemsOf(trigger: Trigger): Refused[] {
  if (trigger.kind === 'http') return [];
  if (trigger.kind === 'schedule') {
    const {cron, input} = trigger;
    const message = `${cron}: AWS takes no day of the month and day of the week at once`;
    const chars = input === undefined ? 0 : canonicalJson(scheduledEvent(input)).length;
    const tooLong = `is ${chars} characters of JSON, and EventBridge takes ${INPUT_CHARS_MAX}`;
    return [
      ...(toAwsCron(cron) === null ? [{path: ['schedule', 'cron'], message}] : []),
      ...(chars > INPUT_CHARS_MAX ? [{path: ['schedule', 'input'], message: tooLong}] : []),
    ];
  }
  const {source} = trigger;
  const under = ({path, message}: Refused): Refused => ({path: [source, ...path], message});
  switch (source) {
    case 's3':
      return nameProblems(trigger).map(under);
    case 'sqs':
    case 'kinesis':
    case 'dynamodb':
      return [...nameProblems(trigger), ...batchProblems(trigger), ...filterProblems(trigger)].map(under);
    default:
      return [{path: [], message: `there is no trigger of the kind ${source}`}];
  }
}

const NAMES: {readonly [source: string]: readonly [RegExp, string]} = {
  sqs: [/^(arn:[^:]+:sqs:[^:]+:\d+:)?[\w-]{1,80}(\.fifo)?$/, "a queue's name or ARN"],
  kinesis: [/^(arn:[^:]+:kinesis:[^:]+:\d+:stream\/)?[\w.-]{1,128}$/, "a stream's name or ARN"],
  dynamodb: [/^arn:[^:]+:dynamodb:[^:]+:\d+:table\/[^/]+\/stream\/.+$/, "the ARN of a table's stream"],
  s3: [/^[a-z\d][a-z\d.-]{1,61}[a-z\d](\/.*)?$/, 'a bucket, or a bucket/prefix'],
};

function nameProblems({source, name}: EventTrigger): Refused[] {
  const [pattern, what] = NAMES[source] ?? [/^/, ''];
  return pattern.test(name) ? [] : [{path: ['name'], message: `${name} is not ${what}`}];
}

/** By docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html. */
function batchProblems(trigger: EventTrigger): Refused[] {
  const {source, name, batchSize = 1, batchWindowMs = 0, maximumConcurrency} = trigger;
  const isFifo = source === 'sqs' && name.endsWith('.fifo');
  const sizeMax = BATCH_MAX[source !== 'sqs' ? 'stream' : isFifo ? 'fifo' : 'queue'];
  const windowS = batchWindowMs / 1000;
  const written = formatDuration(batchWindowMs);
  const problems: Refused[] = [];
  if (batchSize > sizeMax) {
    const ofWhat = isFifo ? ' of a FIFO queue' : '';
    problems.push({path: ['batchSize'], message: `must be 1 to ${sizeMax}${ofWhat}, not ${batchSize}`});
  } else if (source === 'sqs' && batchSize > BATCH_WITHOUT_WINDOW_MAX && windowS < 1) {
    const message = `must be 1s or more where batchSize is more than ${BATCH_WITHOUT_WINDOW_MAX}: it is ${batchSize}`;
    problems.push({path: ['batchWindow'], message});
  }
  if (isFifo && batchWindowMs > 0) {
    problems.push({path: ['batchWindow'], message: `is nothing that FIFO queues have, not ${written}`});
  } else if (windowS > WINDOW_S_MAX || !Number.isInteger(windowS)) {
    const message = `must be whole seconds, ${formatDuration(WINDOW_S_MAX * 1000)} at most, not ${written}`;
    problems.push({path: ['batchWindow'], message});
  }
  const {min, max} = CONCURRENCY;
  if (maximumConcurrency !== undefined && (maximumConcurrency < min || maximumConcurrency > max)) {
    const message = `must be ${min} to ${max}, not ${maximumConcurrency}`;
    problems.push({path: ['maximumConcurrency'], message});
  }
  return problems;
}

function filterProblems({filter = []}: EventTrigger): Refused[] {
  const tooMany = `must be ${FILTERS_MAX} patterns at most, not ${filter.length}`;
  return [
    ...(filter.length > FILTERS_MAX ? [{path: ['filter'], message: tooMany}] : []),
    ...filter.flatMap((pattern, index): Refused[] => {
      const chars = canonicalJson(pattern).length;
      const message = `is ${chars} characters of JSON, and Lambda takes ${PATTERN_CHARS_MAX}`;
      const problems = chars > PATTERN_CHARS_MAX ? [{path: [], message}] : patternProblems(pattern);
      return problems.map(({path, message}) => ({path: ['filter', index, ...path], message}));
    }),
  ];
}

/** A pattern is members of members, down to lists of what a value may be. */
function patternProblems(pattern: Json): Refused[] {
  if (typeof pattern !== 'object' || pattern === null) {
    const message = `must be a list of what it may be, as [${JSON.stringify(pattern)}]`;
    return [{path: [], message}];
  }
  if (Array.isArray(pattern)) {
    return pattern.length > 0 ? [] : [{path: [], message: 'must list what it may be, and is empty'}];
  }
  const members = Object.entries(pattern);
  if (members.length === 0) return [{path: [], message: 'must name a member to look at, and is empty'}];
  return members.flatMap(([member, inner]) =>
    // Patterns themselves stand in the list of those of which one has to fit.
    member === '$or' && Array.isArray(inner)
      ? inner.flatMap((each: Json, index) => below(patternProblems(each), member, index))
      : below(patternProblems(inner), member),
  );
}

const below = (problems: readonly Refused[], ...path: (string | number)[]): Refused[] =>
  problems.map((problem) => ({...problem, path: [...path, ...problem.path]}));

/** Lambda maps a queue or a stream to a function once. */
function twins(triggers: readonly Trigger[]): Refused[] {
  const all = eventTriggers(triggers, (source) => source !== 's3');
  return all.flatMap(({trigger: {source, name}, index}) => {
    const first = all.find((each) => each.trigger.source === source && each.trigger.name === name);
    if (first === undefined || first.index === index) return [];
    const message = `${name} calls the function already, by triggers.${first.index}`;
    return [{path: ['triggers', index, source, 'name'], message}];
  });
}

/** S3 tells of what happens to a key once. */
function overlaps(triggers: readonly Trigger[]): Refused[] {
  const all = eventTriggers(triggers, (source) => source === 's3').map(({trigger, index}) => ({
    index,
    ...bucketRuleOf(trigger),
  }));
  return all.flatMap(({bucket, rule, index}) => {
    const other = all.find(
      (each) => each.index < index && each.bucket === bucket && overlap(each.rule, rule),
    );
    if (other === undefined) return [];
    const message = `overlaps with triggers.${other.index}: S3 tells of what happens to a key once`;
    return [{path: ['triggers', index, 's3'], message}];
  });
}
