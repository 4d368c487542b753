// The front door on AWS Lambda: events are fetched one after the other, and each is answered before the next.
import type {Answer, Call} from '../engine.ts';
import {decodeAwsEvent} from '../events/aws.ts';
import type {GivenEvent, SourceEvent} from '../events/event.ts';
import {exchange} from '../exchange.ts';
import {failureBody, messageOf, RequestFailure, stackOf} from '../failures.ts';
import {log, printLine} from '../log.ts';
import type {Service} from '../service.ts';
import {readHttpEvent, renderHttpAnswer, type HttpEvent} from './http-event.ts';
import type {Invocation, InvocationError, RuntimeApi} from './runtime-api.ts';

/** What Lambda takes as an answer, in bytes. */
const ANSWER_BYTES_MAX = 6 * 2 ** 20 + 100;
/** Its own word for what is more. */
const TOO_LARGE = 'Function.ResponseSizeTooLarge';

/** The door of a service on Lambda. */
export interface LambdaDoor {
  /** Fetches no further event, and resolves when the one that is here is answered. */
  readonly drain: () => Promise<void>;
  /** Rejects when the Runtime API works no more, and resolves when the door is drained. */
  readonly ended: Promise<void>;
}

/** Answers events until told to stop. */
export function serveLambda(api: RuntimeApi, service: Service, requestBytesMax: number): LambdaDoor {
  const loop = async (): Promise<void> => {
    for (;;) {
      const invocation = await api.next();
      if (invocation === null) return;
      const answering = answerInvocation(service, invocation, requestBytesMax);
      await settle(api, invocation, await answering.catch(outcomeOfDefect(invocation)));
    }
  };
  const ended = loop();
  return {
    ended,
    drain() {
      api.close();
      return ended.catch(() => undefined);
    },
  };
}

/** How an invocation comes out, and what it proves. */
type Outcome = ({readonly body: string} | {readonly error: InvocationError}) & {
  readonly evidence: {readonly [name: string]: string} | null;
};

async function answerInvocation(
  service: Service,
  invocation: Invocation,
  requestBytesMax: number,
): Promise<Outcome> {
  if (invocation.traceId === null) delete process.env['_X_AMZN_TRACE_ID'];
  else process.env['_X_AMZN_TRACE_ID'] = invocation.traceId;
  let event: unknown;
  try {
    event = JSON.parse(invocation.body.toString('utf8'));
  } catch (error) {
    const evidence = service.evidence(service.arrive(), null);
    return {
      error: {errorType: 'BAD_JSON', errorMessage: `the event is not JSON: ${messageOf(error)}`},
      evidence,
    };
  }
  const request = readHttpEvent(event);
  if (request !== null) return answerRequest(service, invocation, request, requestBytesMax);
  const decoded = decodeAwsEvent(event);
  return decoded === null
    ? answerDirect(service, invocation, event)
    : answerEvent(service, invocation, decoded);
}

/** A defect of this program costs one invocation, not the instance. */
const outcomeOfDefect =
  ({requestId}: Invocation) =>
  (error: unknown): Outcome => {
    log('error', `an invocation failed: ${messageOf(error)}`, {requestId, stack: stackOf(error)});
    const errorMessage = `the invocation ${requestId} failed; its log says why`;
    return {error: {errorType: 'INSTANCE_FAILED', errorMessage}, evidence: null};
  };

async function answerRequest(
  service: Service,
  invocation: Invocation,
  request: HttpEvent,
  requestBytesMax: number,
): Promise<Outcome> {
  const {requestId, deadlineMs} = invocation;
  const given = {
    ...request,
    requestId: request.headers['x-request-id'] ?? requestId,
    deadlineMs,
  };
  const {status, body, evidence} = await exchange(service, given, requestBytesMax);
  const rendered = renderHttpAnswer(request, status, body, evidence ?? {});
  const failure = tooLarge(rendered);
  if (failure === null) return {body: rendered, evidence};
  const instead = failureBody(new RequestFailure(500, 'ANSWER_TOO_LARGE', failure.errorMessage));
  return {body: renderHttpAnswer(request, 500, instead, evidence ?? {}), evidence};
}

/** A direct call: its event is the input, and its answer is what `predict` returned. */
async function answerDirect(service: Service, invocation: Invocation, event: unknown): Promise<Outcome> {
  const arrival = service.arrive();
  const answer = await predict(service, invocation, {source: 'invoke', input: event, event: null});
  const evidence = service.evidence(arrival, answer.inferMs);
  const error = errorOf(answer) ?? tooLarge(answer.body);
  return error === null ? {body: answer.body, evidence} : {error, evidence};
}

async function answerEvent(service: Service, invocation: Invocation, event: SourceEvent): Promise<Outcome> {
  const arrival = service.arrive();
  let inferMs: number | null = null;
  let last: Answer | null = null;
  const failed: {readonly itemIdentifier: string | null}[] = [];
  for (const record of event.records) {
    if (failed.length > 0 && event.failing === 'rest') {
      failed.push({itemIdentifier: record.id});
      continue;
    }
    last = await predict(service, invocation, {source: event.source, ...record});
    if (last.inferMs !== null) inferMs = (inferMs ?? 0) + last.inferMs;
    const error = errorOf(last);
    if (error === null) continue;
    logRecord(invocation, event.source, record.id, error);
    if (event.failing === 'whole' || record.id === null) {
      return {error, evidence: service.evidence(arrival, inferMs)};
    }
    failed.push({itemIdentifier: record.id});
    if (event.failing === 'stream') break;
  }
  const evidence = service.evidence(arrival, inferMs);
  if (event.failing !== 'whole') return {body: JSON.stringify({batchItemFailures: failed}), evidence};
  // Nobody waits for the answer to these; of a single record it is there for who invokes by hand.
  const body = event.records.length === 1 ? (last?.body ?? 'null') : 'null';
  return {body: tooLarge(body) === null ? body : 'null', evidence};
}

async function predict(service: Service, invocation: Invocation, event: GivenEvent): Promise<Answer> {
  const {requestId, deadlineMs} = invocation;
  const call: Call = {
    kind: 'predict',
    body: new Uint8Array(),
    event: {source: event.source, input: event.input, event: event.event},
    requestId,
    deadlineMs,
    headers: {},
  };
  return (await service.engine).answer(call);
}

function errorOf(answer: Answer): InvocationError | null {
  if (answer.status === 200) return null;
  const {type, message} = answer.error ?? {type: 'INSTANCE_FAILED', message: answer.body};
  return {errorType: type, errorMessage: message};
}

function logRecord(
  invocation: Invocation,
  source: string,
  record: string | null,
  error: InvocationError,
): void {
  log('error', `a record of ${source} failed: ${error.errorMessage}`, {
    requestId: invocation.requestId,
    ...(record === null ? {} : {record}),
  });
}

function tooLarge(body: string): InvocationError | null {
  const bytes = Buffer.byteLength(body);
  if (bytes <= ANSWER_BYTES_MAX) return null;
  return {
    errorType: TOO_LARGE,
    errorMessage: `the answer has ${bytes} bytes, and Lambda takes ${ANSWER_BYTES_MAX}`,
  };
}

/** Hands an outcome over. The evidence is the last thing in the invocation's log. */
async function settle(api: RuntimeApi, {requestId}: Invocation, outcome: Outcome): Promise<void> {
  if (outcome.evidence !== null) printLine({event: 'evidence', requestId, ...outcome.evidence});
  if ('error' in outcome) return api.fail(requestId, outcome.error);
  const taken = await api.respond(requestId, outcome.body);
  if (taken === 'too late') {
    log('error', 'Lambda did not take the answer: its deadline has passed', {requestId});
  }
  if (taken === 'too large') {
    await api.fail(requestId, {
      errorType: TOO_LARGE,
      errorMessage: 'Lambda found the answer too large',
    });
  }
}
