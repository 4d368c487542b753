import type {Deployment, Status} from '../../core/deployment.ts';
import type {FunctionRef} from '../../core/driver.ts';
import type {JsonObject} from '../../core/json.ts';
import {chooseEngine, engineFacts, type EngineChoice} from './choice.ts';
import {emulationFacts} from './emulate/emulation.ts';
import type {Have} from './have.ts';
import type {LocalOptions} from './options.ts';
import type {FunctionState} from './protocol.ts';

/** Says what was found, in the words that every provider uses. */
export function describeFunction(fn: FunctionRef, options: LocalOptions, have: Have): Status {
  const served = have.gateway?.function ?? null;
  const live = served?.live.version ?? null;
  const notes = have.versions.find(({version}) => version === live)?.notes ?? [];
  return {
    schema: 'thaw.status/1',
    provider: 'local',
    function: fn.name,
    ...stateOf(have),
    deployment: served && deploymentOf(fn, served),
    instances: served && served.instances,
    warmMin: served?.warm.min ?? 0,
    versions: have.versions.map(({version, image, at}) => ({version, image, at, live: version === live})),
    facts: {
      ...(served ? engineFacts(served.settings.engine) : {}),
      ...(served?.settings.engine.name === 'process' && notes.length > 0 ? {differs: notes.join('; ')} : {}),
      ...(served ? emulationFacts(served.settings.options.emulate) : {}),
      ...(served ? whyThatEngine(options, have, served.settings.engine) : {}),
      ...(have.gateway ? {gatewayPid: have.gateway.pid, gatewayVersion: have.gateway.thawVersion} : {}),
      ...(served ? {port: served.port, idleTimeoutMs: served.settings.options.idleTimeoutMs} : {}),
    },
    ...(served ? {notes: notesFor(served.settings.engine, notes)} : {}),
  };
}

const notesFor = (engine: EngineChoice, differences: readonly string[]): string[] =>
  engine.name === 'process'
    ? ['not the image: its contents run as a process of this machine', ...differences]
    : [
        `the image, in containers of ${engine.command} on this machine; what a cold start reads is in memory already`,
      ];

function stateOf({folder, gateway, containers}: Have): Pick<Status, 'state' | 'problem'> {
  if (gateway === null) {
    return folder
      ? {state: 'failed', problem: 'its gateway is not running; the next deploy starts it again'}
      : {state: 'absent', problem: null};
  }
  if (gateway.function === null) return {state: 'pending', problem: null};
  const {problem, warm, settings} = gateway.function;
  if (problem !== null) return {state: 'failed', problem};
  const {look} = containers;
  if (settings.engine.name === 'docker' && look !== null && 'failure' in look) {
    return {state: 'failed', problem: look.failure.message};
  }
  return {state: warm.ready < warm.min ? 'pending' : 'ready', problem: null};
}

/** What runs there, as far as a caller needs it. */
export const deploymentOf = (fn: FunctionRef, {port, live}: FunctionState): Deployment => ({
  schema: 'thaw.deployment/1',
  provider: 'local',
  function: fn.name,
  url: `http://127.0.0.1:${port}/`,
  image: live.image,
  version: live.version,
  handle: {},
});

/** Where thaw chose the engine itself, why this one. */
function whyThatEngine({engine: wish}: LocalOptions, {containers}: Have, engine: EngineChoice): JsonObject {
  if (wish !== 'auto') return {};
  const chosen = chooseEngine(wish, containers.look, null);
  return chosen.engine.name === engine.name
    ? {engineChosen: `by auto: ${chosen.why}`}
    : {engineChosen: 'by auto'};
}
