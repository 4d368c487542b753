import type * as Lambda from '@aws-sdk/client-lambda';
import {randomUUID} from 'node:crypto';
import {pageOf, type Cloud, type Handlers} from '../../cloud.ts';
import {Refusal} from '../../refusal.ts';
import type {Source} from '../../delivery.ts';
import type {Roles} from '../iam.ts';
import type {Queues} from '../sqs.ts';
import {functionArn, parseTarget} from './names.ts';
import type {Functions} from './state.ts';

type Changing = 'Creating' | 'Enabling' | 'Disabling' | 'Updating' | 'Deleting';

interface Mapping {
  readonly uuid: string;
  readonly source: string;
  target: string;
  readonly tags: Map<string, string>;
  settings: Omit<Lambda.CreateEventSourceMappingRequest, 'FunctionName' | 'EventSourceArn' | 'Tags'>;
  enabled: boolean;
  modifiedMs: number;
  change: {readonly state: Changing; readonly untilMs: number} | null;
}

/** What a function's role must be allowed, by the service that events come from. */
const NEEDED: {readonly [service: string]: {readonly action: string; readonly call: string}} = {
  sqs: {action: 'sqs:ReceiveMessage', call: 'ReceiveMessage on SQS'},
  kinesis: {action: 'kinesis:GetRecords', call: 'GetRecords on Kinesis'},
  dynamodb: {action: 'dynamodb:GetRecords', call: 'GetRecords on DynamoDB'},
};

/** Event source mappings: what Lambda itself fetches. */
export class Mappings {
  readonly #all = new Map<string, Mapping>();
  readonly #functions: Functions;
  readonly #cloud: Cloud;
  readonly #roles: Roles;
  readonly #queues: () => Pick<Queues, 'attributes'>;

  constructor(functions: Functions, cloud: Cloud, roles: Roles, queues: () => Pick<Queues, 'attributes'>) {
    this.#functions = functions;
    this.#cloud = cloud;
    this.#roles = roles;
    this.#queues = queues;
  }

  list(): readonly Mapping[] {
    const now = this.#cloud.clock.now();
    for (const mapping of this.#all.values()) {
      if (mapping.change === null || now < mapping.change.untilMs) continue;
      if (mapping.change.state === 'Deleting') this.#all.delete(mapping.uuid);
      mapping.change = null;
    }
    return [...this.#all.values()];
  }

  /** What fetches from a source by now. */
  from(sourceArn: string): Source[] {
    const own = this.list().filter(({source}) => source === sourceArn);
    return own.map(({target, enabled, settings, change}) => ({
      target,
      enabled: enabled && change === null,
      batchSize: settings.BatchSize ?? (sourceArn.split(':')[2] === 'sqs' ? 10 : 100),
      patterns: (settings.FilterCriteria?.Filters ?? []).flatMap(({Pattern}) => Pattern ?? []),
    }));
  }

  handlers(): Handlers {
    return {
      CreateEventSourceMapping: (input: Lambda.CreateEventSourceMappingRequest) => this.#create(input),
      GetEventSourceMapping: ({UUID}: Lambda.GetEventSourceMappingRequest) => this.#render(this.#find(UUID)),
      UpdateEventSourceMapping: (input: Lambda.UpdateEventSourceMappingRequest) => this.#update(input),
      DeleteEventSourceMapping: ({UUID}: Lambda.DeleteEventSourceMappingRequest) => {
        const mapping = this.#writable(UUID);
        this.#change(mapping, 'Deleting');
        return this.#render(mapping);
      },
      ListEventSourceMappings: (input: Lambda.ListEventSourceMappingsRequest) => {
        const target = input.FunctionName && this.#targetOf(input.FunctionName);
        const all = this.list().filter(
          (mapping) =>
            (input.EventSourceArn === undefined || mapping.source === input.EventSourceArn) &&
            (!target || mapping.target === target || mapping.target.startsWith(`${target}:`)),
        );
        const {page, next} = pageOf(all, input.Marker, input.MaxItems, this.#cloud.pageSize);
        return {EventSourceMappings: page.map((mapping) => this.#render(mapping)), NextMarker: next};
      },
    };
  }

  /** The tags of a mapping by its ARN; null: it is the ARN of something else. */
  tagsOf(arn: string | undefined): Map<string, string> | null {
    const uuid = /:event-source-mapping:([0-9a-f-]+)$/.exec(arn ?? '')?.[1];
    return uuid === undefined ? null : this.#find(uuid).tags;
  }

  #find(uuid: string | undefined): Mapping {
    const found = this.list().find((mapping) => mapping.uuid === uuid);
    if (found !== undefined) return found;
    throw new Refusal('ResourceNotFoundException', 'The resource you requested does not exist.');
  }

  #writable(uuid: string | undefined): Mapping {
    const mapping = this.#find(uuid);
    if (mapping.change === null) return mapping;
    throw new Refusal(
      'ResourceInUseException',
      `Cannot update the event source mapping because it is in use.`,
    );
  }

  #targetOf(name: string): string {
    const {name: fn, qualifier} = parseTarget(name);
    return functionArn(this.#cloud.account, fn, qualifier);
  }

  #change(mapping: Mapping, state: Changing): void {
    const {clock, paces} = this.#cloud;
    mapping.modifiedMs = clock.now();
    mapping.change = {state, untilMs: clock.now() + paces.mappingMs};
  }

  #create(input: Lambda.CreateEventSourceMappingRequest): Lambda.EventSourceMappingConfiguration {
    const {FunctionName, EventSourceArn: source = '', Enabled = true, Tags = {}, ...settings} = input;
    const {name, qualifier} = parseTarget(FunctionName);
    const fn = this.#functions.find({name, qualifier});
    const version = this.#functions.version(fn, qualifier);
    const service = source.split(':')[2] ?? '';
    const needed = NEEDED[service];
    const invalid = (message: string): Refusal => new Refusal('InvalidParameterValueException', message);
    if (needed === undefined) throw invalid(`Unrecognized event source.`);
    checkSettings(service, source, settings);
    const target = functionArn(this.#cloud.account, name, qualifier);
    const twin = this.list().find((mapping) => mapping.source === source && mapping.target === target);
    if (twin !== undefined) {
      throw new Refusal(
        'ResourceConflictException',
        `An event source mapping with ${service.toUpperCase()} arn (" ${source} ") and function (" ${name} ") already exists. Please update or delete the existing mapping with UUID ${twin.uuid}`,
      );
    }
    if (!this.#roles.allows(version.configuration.role, needed.action)) {
      throw invalid(`The provided execution role does not have permissions to call ${needed.call}`);
    }
    if (service === 'sqs') this.#checkQueue(source, version.configuration.timeout);
    const mapping: Mapping = {
      uuid: randomUUID(),
      source,
      target,
      tags: new Map(Object.entries(Tags)),
      settings,
      enabled: Enabled,
      modifiedMs: 0,
      change: null,
    };
    this.#change(mapping, 'Creating');
    this.#all.set(mapping.uuid, mapping);
    return this.#render(mapping);
  }

  #checkQueue(arn: string, timeoutS: number): void {
    const invalid = (message: string): Refusal => new Refusal('InvalidParameterValueException', message);
    const queue = this.#queues().attributes(arn);
    // The wording is not confirmed.
    if (queue === null) {
      throw invalid(
        'Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist for this wsdl version.',
      );
    }
    // Seen in github.com/winglang/wing/issues/1507.
    const visibilityS = Number(queue['VisibilityTimeout']);
    if (visibilityS < timeoutS) {
      throw invalid(
        `Queue visibility timeout: ${visibilityS} seconds is less than Function timeout: ${timeoutS} seconds`,
      );
    }
  }

  #update(input: Lambda.UpdateEventSourceMappingRequest): Lambda.EventSourceMappingConfiguration {
    const {UUID, FunctionName, Enabled, ...settings} = input;
    const mapping = this.#writable(UUID);
    const merged = mergedSettings(mapping.settings, settings);
    checkSettings(mapping.source.split(':')[2] ?? '', mapping.source, merged, true);
    const wasEnabled = mapping.enabled;
    mapping.settings = merged;
    mapping.enabled = Enabled ?? wasEnabled;
    if (FunctionName !== undefined) mapping.target = this.#targetOf(FunctionName);
    const toggled = mapping.enabled === wasEnabled ? null : mapping.enabled ? 'Enabling' : 'Disabling';
    this.#change(mapping, toggled ?? 'Updating');
    return this.#render(mapping);
  }

  #render(mapping: Mapping): Lambda.EventSourceMappingConfiguration {
    const {uuid, source, target, settings, enabled, modifiedMs, change} = mapping;
    const isQueue = source.split(':')[2] === 'sqs';
    return {
      BatchSize: isQueue ? 10 : 100,
      MaximumBatchingWindowInSeconds: 0,
      ...settings,
      UUID: uuid,
      EventSourceArn: source,
      FunctionArn: target,
      EventSourceMappingArn: this.#cloud.account.arn('lambda', `event-source-mapping:${uuid}`),
      LastModified: new Date(modifiedMs),
      State: change?.state ?? (enabled ? 'Enabled' : 'Disabled'),
      StateTransitionReason: 'USER_INITIATED',
    };
  }
}

/**
 * What is not said stays as it is, and what is empty is taken away: an empty `FilterCriteria`
 * (docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html), an empty `ScalingConfig`
 * (docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#events-sqs-max-concurrency).
 */
function mergedSettings(before: Mapping['settings'], said: Mapping['settings']): Mapping['settings'] {
  const {FilterCriteria, ScalingConfig, ...merged} = {...before, ...said};
  return {
    ...merged,
    ...((FilterCriteria?.Filters ?? []).length > 0 && {FilterCriteria}),
    ...(ScalingConfig?.MaximumConcurrency !== undefined && {ScalingConfig}),
  };
}

/** docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html */
function checkSettings(
  service: string,
  source: string,
  settings: Partial<Lambda.CreateEventSourceMappingRequest>,
  isUpdate = false,
): void {
  const invalid = (message: string): Refusal => new Refusal('InvalidParameterValueException', message);
  const {
    BatchSize = 1,
    MaximumBatchingWindowInSeconds: windowS = 0,
    StartingPosition,
    ScalingConfig,
  } = settings;
  const isQueue = service === 'sqs';
  const isFifo = source.endsWith('.fifo');
  const sizeMax = isFifo ? 10 : 10_000;
  if (BatchSize < 1 || BatchSize > sizeMax) {
    throw invalid(`Batch size must be between 1 and ${sizeMax} for this event source.`);
  }
  if (windowS < 0 || windowS > 300)
    throw invalid('MaximumBatchingWindowInSeconds must be between 0 and 300.');
  if (isQueue && BatchSize > 10 && windowS < 1) {
    throw invalid(
      'Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10',
    );
  }
  if (isFifo && windowS > 0) throw invalid('Batching window is not supported for FIFO queues.');
  if (isQueue && StartingPosition !== undefined)
    throw invalid('StartingPosition is not valid for SQS event sources.');
  if (!isQueue && !isUpdate && StartingPosition === undefined) {
    throw invalid('1 validation error detected: StartingPosition is required for stream event sources.');
  }
  if (!isQueue && ScalingConfig !== undefined)
    throw invalid('ScalingConfig is only supported for SQS event sources.');
  const concurrency = ScalingConfig?.MaximumConcurrency;
  if (concurrency !== undefined && (concurrency < 2 || concurrency > 1000)) {
    throw invalid('MaximumConcurrency must be between 2 and 1000.');
  }
  checkFilters((settings.FilterCriteria?.Filters ?? []).map(({Pattern = ''}) => Pattern));
}

const FILTERS_MAX = 5;
const PATTERN_CHARS_MAX = 4096;

/** docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html, docs.aws.amazon.com/lambda/latest/api/API_Filter.html */
function checkFilters(patterns: readonly string[]): void {
  const invalid = (message: string): Refusal => new Refusal('InvalidParameterValueException', message);
  if (patterns.length > FILTERS_MAX) throw invalid(`The number of filters must not exceed ${FILTERS_MAX}.`);
  for (const pattern of patterns) {
    if (pattern.length > PATTERN_CHARS_MAX) {
      throw invalid(
        `1 validation error detected: Value at 'filterCriteria.filters.pattern' failed to satisfy constraint: Member must have length less than or equal to ${PATTERN_CHARS_MAX}`,
      );
    }
    // Seen in github.com/aws/aws-cdk/issues/23057.
    if (!isPattern(pattern)) throw invalid('Invalid filter pattern definition.');
  }
}

function isPattern(text: string): boolean {
  const holds = (value: unknown): boolean => {
    if (Array.isArray(value)) return value.length > 0;
    if (typeof value !== 'object' || value === null) return false;
    const members = Object.values(value);
    return members.length > 0 && members.every(holds);
  };
  try {
    const pattern: unknown = JSON.parse(text);
    return !Array.isArray(pattern) && holds(pattern);
  } catch {
    return false;
  }
}
