import type {Deployment, Status} from '../../core/deployment.ts';
import type {FunctionRef} from '../../core/driver.ts';
import type {JsonObject} from '../../core/json.ts';
import type {Have} from './have.ts';
import type {FunctionState} from './protocol.ts';

/** What a reader must know to judge figures from this engine. */
export const ENGINE_FACTS: JsonObject = {
  engine: "process: the image's contents on this machine's own Node; memory and CPU are not limited",
};

/** Says what was found, in the words that every provider uses. */
export function describeFunction(fn: FunctionRef, have: Have): Status {
  const served = have.gateway?.function ?? null;
  const live = served?.live.version ?? null;
  return {
    schema: 'thaw.status/1',
    provider: 'local',
    function: fn.name,
    ...stateOf(have),
    deployment: served && deploymentOf(fn, served),
    instances: served && served.instances,
    warmMin: served?.warm.min ?? 0,
    versions: have.versions.map((version) => ({...version, live: version.version === live})),
    facts: {
      ...ENGINE_FACTS,
      ...(have.gateway ? {gatewayPid: have.gateway.pid, gatewayVersion: have.gateway.thawVersion} : {}),
      ...(served ? {port: served.port, idleTimeoutMs: served.settings.options.idleTimeoutMs} : {}),
    },
  };
}

function stateOf({folder, gateway}: Have): Pick<Status, 'state' | 'problem'> {
  if (gateway === null) {
    return folder
      ? {state: 'failed', problem: 'its gateway is not running; the next deploy starts it again'}
      : {state: 'absent', problem: null};
  }
  if (gateway.function === null) return {state: 'pending', problem: null};
  const {problem, warm} = gateway.function;
  if (problem !== null) return {state: 'failed', problem};
  return {state: warm.ready < warm.min ? 'pending' : 'ready', problem: null};
}

const deploymentOf = (fn: FunctionRef, {port, live}: FunctionState): Deployment => ({
  schema: 'thaw.deployment/1',
  provider: 'local',
  function: fn.name,
  url: `http://127.0.0.1:${port}/`,
  image: live.image,
  version: live.version,
  handle: {},
});
