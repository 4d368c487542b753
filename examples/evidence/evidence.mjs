// Says in every answer which process gave it. For node:http and what builds on it (Express, Fastify, Koa):
//   http.createServer(withEvidence(app))        and for functions:        export const handler = withEvidence(fn);
import {randomUUID} from 'node:crypto';

const bootId = randomUUID();
let requests = 0;

/** Call it once everything is loaded: what happens until then is the phase `load`. */
export function withEvidence(handler, isHealthCheck = (request) => request?.url === '/healthz') {
  const readyMs = performance.now(); // since the process was born
  return async (request, response, ...rest) => {
    if (isHealthCheck(request)) return handler(request, response, ...rest);
    const ordinal = ++requests;
    const cameMs = performance.now();
    const start = ordinal > 1 ? '' : `load;dur=${readyMs}, wait;dur=${cameMs - readyMs}, `;
    const evidence = () => ({
      'thaw-boot': bootId,
      'thaw-ordinal': String(ordinal),
      // A frozen machine stops one clock, and the other may be set.
      'thaw-boot-age': String(Math.max(performance.now(), Date.now() - performance.timeOrigin)),
      'server-timing': `${start}infer;dur=${performance.now() - cameMs}`,
    });
    if (typeof response?.writeHead === 'function') {
      const {writeHead} = response;
      response.writeHead = function (...args) {
        for (const [name, value] of Object.entries(evidence())) this.appendHeader(name, value);
        return writeHead.apply(this, args);
      };
      return handler(request, response, ...rest);
    }
    const answer = await handler(request, response, ...rest);
    const whole = answer?.statusCode ? answer : {statusCode: 200, body: JSON.stringify(answer)};
    return {...whole, headers: {...whole.headers, ...evidence()}};
  };
}
