import type {EventSourceMappingConfiguration, UpdateEventSourceMappingRequest} from '@aws-sdk/client-lambda';
import {canonicalJson, type Json} from '../../../core/json.ts';
import {defaultSettings, serviceOf, type MappingSettings} from './triggers.ts';

/** A record is tried again alone, if the answer says that it alone failed. */
const PARTIAL_FAILURES = 'ReportBatchItemFailures';

/** How a mapping is set, as Lambda tells it. */
export function settingsOfMapping(mapping: EventSourceMappingConfiguration): MappingSettings {
  const {EventSourceArn = '', State = '', BatchSize, MaximumBatchingWindowInSeconds = 0} = mapping;
  const patterns = (mapping.FilterCriteria?.Filters ?? []).flatMap(({Pattern}) => Pattern ?? []);
  return {
    batchSize: BatchSize ?? defaultSettings(serviceOf(EventSourceArn)).batchSize,
    batchWindowMs: MaximumBatchingWindowInSeconds * 1000,
    maximumConcurrency: mapping.ScalingConfig?.MaximumConcurrency ?? null,
    filter: patterns.map(readPattern),
    partialFailures: mapping.FunctionResponseTypes?.includes(PARTIAL_FAILURES) ?? false,
    enabled: !State.startsWith('Disabl'),
  };
}

function readPattern(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

type Request = Omit<UpdateEventSourceMappingRequest, 'UUID'>;

/** What Lambda is asked for, to set a new mapping so. */
export function requestToCreate(sourceArn: string, settings: MappingSettings): Request {
  const {maximumConcurrency, filter, batchWindowMs} = settings;
  const {ScalingConfig, FilterCriteria, MaximumBatchingWindowInSeconds, ...rest} = requestToUpdate(
    sourceArn,
    settings,
  );
  return {
    ...rest,
    ...(batchWindowMs > 0 ? {MaximumBatchingWindowInSeconds} : {}),
    ...(maximumConcurrency === null ? {} : {ScalingConfig}),
    ...(filter.length > 0 ? {FilterCriteria} : {}),
  };
}

/** The same for one that is there: what is empty takes away what was said before. */
export function requestToUpdate(sourceArn: string, settings: MappingSettings): Request {
  const {batchSize, batchWindowMs, maximumConcurrency, filter, partialFailures, enabled} = settings;
  return {
    Enabled: enabled,
    BatchSize: batchSize,
    // FIFO queues have none, not even one of nothing.
    ...(sourceArn.endsWith('.fifo') ? {} : {MaximumBatchingWindowInSeconds: batchWindowMs / 1000}),
    ...(serviceOf(sourceArn) === 'sqs'
      ? {ScalingConfig: maximumConcurrency === null ? {} : {MaximumConcurrency: maximumConcurrency}}
      : {}),
    FilterCriteria:
      filter.length === 0 ? {} : {Filters: filter.map((pattern) => ({Pattern: canonicalJson(pattern)}))},
    FunctionResponseTypes: partialFailures ? [PARTIAL_FAILURES] : [],
  };
}
