import type {FunctionSpec} from '../../../core/function.ts';
import {makePlan, type Plan} from '../../../core/plan.ts';
import {zipCodeOf} from '../archive.ts';
import {liveVersion} from '../inspect/findings.ts';
import type {FunctionFound, Have} from '../inspect/have.ts';
import {publishedOf} from '../names.ts';
import type {AwsOptions} from '../wanted/options.ts';
import {CODE} from '../wanted/settings.ts';
import {addUploadsTidying} from './archive-bucket.ts';
import {addCode} from './code.ts';
import {addSettled, openDraft, placeOf} from './draft.ts';
import {addGoingLive} from './live.ts';
import {namedOnce} from './named.ts';
import {refuseAdoption} from './refuse.ts';
import {warmthOf} from './warmth.ts';

/**
 * Gives a function that thaw did not make new code: writes it, publishes it, and lets the alias lead there. Its
 * settings, permissions, triggers and tags stay as they are, whatever `thaw.yaml` says.
 *
 * @throws ThawError PROVIDER_CONFLICT if new code alone would not run in it
 */
export function planAdoption(fn: FunctionSpec, options: AwsOptions, have: Have, found: FunctionFound): Plan {
  const {name} = fn;
  const draft = openDraft(name, options, have);
  const facts = {...placeOf(have), adopted: 'new code only: nothing else of the function is changed'};
  const live = liveVersion(found) ?? null;
  const zip = fn.archive === undefined ? null : zipCodeOf(fn.archive);
  refuseAdoption(fn, options, found, zip);
  const kept = zip === null ? 'image' : CODE;
  const to = zip === null ? fn.image : zip.codeSha256;
  if (live !== null && live.settings[kept] === to) {
    addUploadsTidying(draft);
    return makePlan('aws', name, draft.steps, facts);
  }

  const code = addCode(draft, fn);
  const expected = {configuration: null, ...code.expected, nonce: null};
  const named = namedOnce([{path: kept, from: live?.settings[kept] ?? null, to}]);
  const failed = found.lastUpdate === 'Failed' || found.state === 'Failed';
  const revision = addSettled(draft, found);
  if (failed || found.latest[kept] !== to) {
    const sending = code.send();
    const args = {...code.args, ...sending.args, expected: null, revision};
    draft.add('code', 'lambda:UpdateFunctionCode', args, named(), code.differs);
    const wait = {name, expected, after: revision};
    draft.add('updated', 'lambda:WaitFunctionUpdated', wait, [], 'it cannot be published before');
    sending.taken();
  }
  const publish = {name, expected, description: publishedOf(fn.image)};
  draft.add('publish', 'lambda:PublishVersion', publish, named(), 'only a version can be live');
  const version = {$ref: 'publish.version'};
  draft.add('published', 'lambda:WaitVersionActive', {name, version}, [], 'it answers no request before');
  // What is kept ready of a version of somebody else's is not thaw's to end.
  const own = found.adopted ? found : {...found, provisioned: [], schedules: []};
  addGoingLive(draft, {
    version,
    found: own,
    warm: warmthOf(own),
    warmChanges: [],
    changes: [],
    why: 'requests go where the alias points',
    reserved: found.reserved,
  });
  addUploadsTidying(draft);
  return makePlan('aws', name, draft.steps, facts);
}
