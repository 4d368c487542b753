import {failureBody, RequestFailure} from './failures.ts';
import {modelMetadata} from './protocol.ts';
import {routeOf} from './routes.ts';
import type {Service} from './service.ts';

/** A request that came whole, by another way than a connection of its own. */
export interface WholeRequest {
  readonly method: string;
  readonly url: string;
  /** Names in lower case. */
  readonly headers: {readonly [name: string]: string};
  readonly body: Uint8Array;
  readonly requestId: string;
  readonly deadlineMs: number | null;
}

/** Its answer, which is JSON. */
export interface WholeAnswer {
  readonly status: number;
  readonly body: string;
  /** Null for health checks, which count nowhere. */
  readonly evidence: {readonly [name: string]: string} | null;
}

/** Headers out of an event: one value or several a name, in any case. What is no value of a header is left out. */
export function plainHeaders(headers: {readonly [name: string]: unknown}): {[name: string]: string} {
  const plain: {[name: string]: string} = {};
  for (const [name, value] of Object.entries(headers)) {
    const values = (Array.isArray(value) ? value : [value]).filter(
      (one) => typeof one === 'string' || typeof one === 'number' || typeof one === 'boolean',
    );
    if (values.length > 0) plain[name.toLowerCase()] = values.join(', ');
  }
  return plain;
}

/** Answers a request that came whole, by the same routes as any other. */
export async function exchange(
  service: Service,
  request: WholeRequest,
  requestBytesMax: number,
): Promise<WholeAnswer> {
  const route = routeOf(request.method, request.url, service.name);
  if (route.kind === 'live' || route.kind === 'ready') {
    const up = route.kind === 'live' || service.isReady;
    return {status: up ? 200 : 503, body: JSON.stringify({status: up ? 'ok' : 'not ready'}), evidence: null};
  }
  const arrival = service.arrive();
  const answer = (status: number, body: string, inferMs: number | null = null): WholeAnswer => ({
    status,
    body,
    evidence: service.evidence(arrival, inferMs),
  });
  if (route.kind === 'refused') return answer(route.failure.status, failureBody(route.failure));
  if (route.kind === 'metadata') {
    const {inputs, outputs} = await service.engine;
    return answer(200, JSON.stringify(modelMetadata(service.name, inputs, outputs)));
  }
  if (request.body.byteLength > requestBytesMax) {
    const message = `the request's body is larger than ${requestBytesMax} bytes`;
    return answer(413, failureBody(new RequestFailure(413, 'TOO_LARGE', message)));
  }
  const engine = await service.engine;
  const {body, requestId, deadlineMs, headers} = request;
  const answered = await engine.answer({kind: route.kind, body, requestId, deadlineMs, headers});
  return answer(answered.status, answered.body, answered.inferMs);
}
