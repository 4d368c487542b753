// What a call gives to `predict`: the event that a front door decoded, or what an HTTP request carries.
import type {Call} from './engine.ts';
import {carriesEvents, pushedMessage, readPushedEvents} from './events/cloud-events.ts';
import type {GivenEvent} from './events/event.ts';
import {messageOf, RequestFailure} from './failures.ts';

/** What to predict, in order; or what to answer without a prediction. */
export type CallInput =
  | {readonly kind: 'one'; readonly given: GivenEvent}
  | {readonly kind: 'several'; readonly given: readonly GivenEvent[]}
  | {readonly kind: 'answer'; readonly answer: unknown};

/** @throws RequestFailure 400 BAD_JSON */
export function readInput(call: Call): CallInput {
  if (call.event !== undefined) return {kind: 'one', given: call.event};
  if (call.kind === 'infer') return {kind: 'one', given: plain(parseBody(call.body))};
  if (!carriesEvents(call.headers)) {
    const input = parseBody(call.body);
    return {kind: 'one', given: pushedMessage(input) ?? plain(input)};
  }
  const pushed = readPushedEvents(call.headers, call.body);
  if ('answer' in pushed) return {kind: 'answer', answer: pushed.answer};
  const [first] = pushed.given;
  return first !== undefined && pushed.given.length === 1
    ? {kind: 'one', given: first}
    : {kind: 'several', given: pushed.given};
}

const plain = (input: unknown): GivenEvent => ({source: 'http', input, event: null});

function parseBody(body: Uint8Array): unknown {
  if (body.byteLength === 0) throw new RequestFailure(400, 'BAD_JSON', 'the request has no body');
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')) as unknown;
  } catch (error) {
    throw new RequestFailure(400, 'BAD_JSON', `the body is not JSON: ${messageOf(error)}`);
  }
}
