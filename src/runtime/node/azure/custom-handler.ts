// What the host of Azure Functions wants of a custom handler: requests that it forwards, under paths of its own, and
// every other trigger in an envelope of `Data` and `Metadata`.
import type {Answer, Call, Engine} from '../engine.ts';
import {decodeTrigger, unwrapped} from '../events/azure.ts';
import {objectOf, stringOf} from '../events/event.ts';
import {plainHeaders} from '../exchange.ts';
import {failureBody} from '../failures.ts';
import type {HttpDialect} from '../http.ts';
import {log} from '../log.ts';
import {modelMetadata} from '../protocol.ts';
import {routeOf, type Route} from '../routes.ts';

type Members = {readonly [member: string]: unknown};

/** Requests and answers as this host makes and takes them. `name` is the function's. */
export function customHandler(name: string): HttpDialect {
  return {
    routeOf: (method, url) => hostRouteOf(method, url, name),
    answer: (engine, call, evidence) => answerHost(name, engine, call, evidence),
  };
}

/**
 * Finds the route of a request of the host: under `/api` and the name of one of its functions, which nobody tells the
 * handler, as well as without. An envelope comes to the bare name.
 */
export function hostRouteOf(method: string, url: string, name: string): Route {
  const plain = routeOf(method, url, name);
  if (!isUnknown(plain)) return plain;
  for (const prefix of [/^\/api(?=[/?]|$)/, /^\/api\/[^/?]+(?=[/?]|$)/]) {
    const rest = url.replace(prefix, '');
    if (rest === url) continue;
    const route = routeOf(method, rest.startsWith('/') ? rest : `/${rest}`, name);
    if (!isUnknown(route)) return route;
  }
  return method === 'POST' && /^\/[^/?]+(\?|$)/.test(url) ? {kind: 'predict'} : plain;
}

const isUnknown = (route: Route): boolean => route.kind === 'refused' && route.failure.status === 404;

type Evidence = (inferMs: number | null) => {readonly [name: string]: string};

async function answerHost(name: string, engine: Engine, call: Call, evidence: Evidence): Promise<Answer> {
  const envelope = call.kind === 'predict' ? readEnvelope(call.body) : null;
  if (envelope === null) return engine.answer(call);
  const request = Object.values(envelope.data).map(unwrapped).map(objectOf).find(isRequest);
  return request
    ? answerEnclosed(name, engine, call, request, evidence)
    : answerTrigger(engine, call, envelope);
}

interface Envelope {
  readonly data: Members;
  readonly metadata: Members;
}

function readEnvelope(body: Uint8Array): Envelope | null {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  // A request that was forwarded need not be parsed twice.
  if (!text.includes('"Metadata"') || !text.includes('"Data"')) return null;
  const members = objectOf(unwrapped(text.toString('utf8')));
  const data = objectOf(members?.['Data']);
  const metadata = objectOf(members?.['Metadata']);
  return data === null || metadata === null ? null : {data, metadata};
}

const isRequest = (value: Members | null): value is Members =>
  stringOf(value?.['Url']) !== null && stringOf(value?.['Method']) !== null;

/** Answers a request that came in an envelope, as it does where the host does not forward. */
async function answerEnclosed(
  name: string,
  engine: Engine,
  call: Call,
  request: Members,
  evidence: Evidence,
): Promise<Answer> {
  const url = (stringOf(request['Url']) ?? '').replace(/^https?:\/\/[^/?]*/, '') || '/';
  const route = hostRouteOf((stringOf(request['Method']) ?? '').toUpperCase(), url, name);
  const inner = {...call, headers: plainHeaders(objectOf(request['Headers']) ?? {})};
  const answer = await answerRoute(name, engine, inner, route, request['Body']);
  const headers = {'content-type': 'application/json', ...evidence(answer.inferMs)};
  const res = {statusCode: answer.status, headers, body: answer.body};
  return {
    status: 200,
    body: JSON.stringify({Outputs: {res}, Logs: [], ReturnValue: null}),
    inferMs: answer.inferMs,
  };
}

async function answerRoute(
  name: string,
  engine: Engine,
  call: Call,
  route: Route,
  body: unknown,
): Promise<Answer> {
  switch (route.kind) {
    case 'refused':
      return {status: route.failure.status, body: failureBody(route.failure), inferMs: null};
    case 'metadata':
      return {
        status: 200,
        body: JSON.stringify(modelMetadata(name, engine.inputs, engine.outputs)),
        inferMs: null,
      };
    case 'live':
    case 'ready':
      return {status: 200, body: JSON.stringify({status: 'ok'}), inferMs: null};
    default: {
      const text = typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body);
      return engine.answer({...call, kind: route.kind, body: Buffer.from(text)});
    }
  }
}

/** Predicts the records of a trigger in order. The first that fails fails the invocation: the host knows no less. */
async function answerTrigger(engine: Engine, call: Call, {data, metadata}: Envelope): Promise<Answer> {
  const {source, records} = decodeTrigger(data, metadata);
  let inferMs: number | null = null;
  let last: Answer | null = null;
  for (const {input, event} of records) {
    last = await engine.answer({...call, body: new Uint8Array(), event: {source, input, event}});
    if (last.inferMs !== null) inferMs = (inferMs ?? 0) + last.inferMs;
    if (last.status === 200) continue;
    const message = `a record of ${source} failed: ${last.error?.message ?? last.body}`;
    log('error', message, {requestId: call.requestId});
    return {status: 500, body: renderReturn([message], 'null'), inferMs};
  }
  const body = records.length === 1 && last !== null ? last.body : 'null';
  return {status: 200, body: renderReturn([], body), inferMs};
}

/** @param value JSON */
function renderReturn(logs: readonly string[], value: string): string {
  return `{"Outputs":{},"Logs":${JSON.stringify(logs)},"ReturnValue":${value}}`;
}
