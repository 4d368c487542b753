import {RequestFailure} from './failures.ts';

/** What a path and a method ask for. */
export type Route =
  | {readonly kind: 'live' | 'ready' | 'metadata' | 'predict' | 'infer'}
  | {readonly kind: 'refused'; readonly failure: RequestFailure};

/** Finds the route of a request. `name` is the function's, which is the model's in the Open Inference Protocol. */
export function routeOf(method: string, url: string, name: string): Route {
  const path = url.replace(/[?#].*$/s, '');
  const kind = kindOf(path, name);
  if (typeof kind !== 'string') return {kind: 'refused', failure: kind};
  const takes = kind === 'predict' || kind === 'infer' ? ['POST'] : ['GET', 'HEAD'];
  if (takes.includes(method)) return {kind};
  const message = `${path} takes ${takes.join(' or ')}, not ${method}`;
  return {kind: 'refused', failure: new RequestFailure(405, 'WRONG_METHOD', message)};
}

function kindOf(
  path: string,
  name: string,
): 'live' | 'ready' | 'metadata' | 'predict' | 'infer' | RequestFailure {
  switch (path) {
    case '/':
      return 'predict';
    case '/healthz':
    case '/v2/health/ready':
      return 'ready';
    case '/v2/health/live':
      return 'live';
  }
  const [, model, action] = /^\/v2\/models\/([^/]+)(?:\/(ready|infer))?$/.exec(path) ?? [];
  if (model === undefined) return new RequestFailure(404, 'UNKNOWN_ROUTE', `there is nothing at ${path}`);
  if (decoded(model) !== name) {
    return new RequestFailure(404, 'UNKNOWN_MODEL', `there is no model ${model} here; this is ${name}`);
  }
  if (action === 'ready') return 'ready';
  return action === 'infer' ? 'infer' : 'metadata';
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
