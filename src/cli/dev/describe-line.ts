import {classify} from '../../benchmark/classify.ts';
import type {LogLine} from '../../core/deployment.ts';
import {parseEvidence} from '../../core/evidence.ts';
import type {DevEvent} from './events.ts';

/** What a line of the function's log tells: a request that is over, or what somebody wrote. */
export function describeLine(line: LogLine): DevEvent {
  const {request, instance} = line;
  if (line.stream !== 'request' || request === undefined) return {event: 'log', line};
  const evidence = parseEvidence(request.evidence);
  return {
    event: 'request',
    instance,
    request,
    class: request.waitedMs === null ? null : classify(evidence, request.waitedMs),
    phases: evidence?.phases ?? {},
  };
}
