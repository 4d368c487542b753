import {sameJson} from '../core/json.ts';
import type {Model, ServeManifest} from '../core/model.ts';
import type {Judgement} from './judge.ts';
import {merge, PLAIN_SESSION} from './session-options.ts';

/** What the runtime is told where the handler brings its own model. */
export function serveNothing(name: string): ServeManifest {
  const none = {file: null, model: null, onnxruntime: null, session: {}, inputs: [], outputs: []};
  return {schema: 'thaw.serve/1', name, ...none};
}

/** What the runtime needs to serve what was chosen, under the function's name. */
export function serveManifest(
  name: string,
  {inputs, outputs}: Pick<Model, 'inputs' | 'outputs'>,
  {verdict, chosen, formSession}: Judgement,
): ServeManifest {
  const session = merge(PLAIN_SESSION, formSession);
  return {
    schema: 'thaw.serve/1',
    name,
    file: chosen.files[0]!.path,
    model: chosen.digest,
    onnxruntime: verdict.onnxruntime,
    session,
    ...(!sameJson(session, chosen.session) && {shaped: {session: chosen.session, cpu: verdict.madeFor}}),
    inputs,
    outputs,
  };
}
