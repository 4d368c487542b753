import {randomUUID} from 'node:crypto';
import type {IncomingMessage} from 'node:http';
import type {Engine, Launch} from '../engine.ts';
import {behindDoor} from './door.ts';
import {passThrough} from './front-end.ts';

/** What App Service gives a container between SIGTERM and SIGKILL. */
const STOP_GRACE_MS = 5000;
/** Its load balancer waits so long for an answer, whatever the function may take. */
const ANSWER_MS_MAX = 230_000;

/** What of this cloud's limits can be shortened, for tests. */
export interface AzureLimits {
  readonly answerMsMax: number;
}

/**
 * Runs instances as the host of Azure Functions runs a custom handler that takes requests as they are
 * (`enableProxyingHttpRequest`): on the port that FUNCTIONS_CUSTOMHANDLER_PORT says.
 */
export function emulateAzure(
  engine: Engine,
  {answerMsMax}: AzureLimits = {answerMsMax: ANSWER_MS_MAX},
): Engine {
  return {
    ...engine,
    start(launch) {
      const run = engine.start({
        ...launch,
        env: {...launch.env, ...azureEnvironment(launch)},
        portVariable: 'FUNCTIONS_CUSTOMHANDLER_PORT',
      });
      return behindDoor(run, STOP_GRACE_MS, (ready) =>
        passThrough(ready, {
          headers: azureHeaders,
          timeoutMs: answerMsMax,
          timeoutBody: 'the load balancer waits no longer for an answer',
        }),
      );
    },
  };
}

function azureEnvironment({emulation}: Launch): {[name: string]: string} {
  return {
    FUNCTIONS_WORKER_RUNTIME: 'custom',
    FUNCTIONS_EXTENSION_VERSION: '~4',
    AzureWebJobsScriptRoot: '/home/site/wwwroot',
    WEBSITE_SITE_NAME: emulation?.function ?? '',
  };
}

function azureHeaders({headers, socket}: IncomingMessage): {[name: string]: string} {
  return {
    'x-azure-functions-invocationid': randomUUID(),
    'x-forwarded-for': headers['x-forwarded-for']?.toString() ?? socket.remoteAddress ?? '127.0.0.1',
    'x-forwarded-proto': headers['x-forwarded-proto']?.toString() ?? 'http',
  };
}
