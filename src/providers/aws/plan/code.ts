import type {FunctionSpec} from '../../../core/function.ts';
import type {Arg} from '../../../core/plan.ts';
import {zipCodeOf, type ZipCode} from '../archive.ts';
import type {Have, RepositoryFound} from '../inspect/have.ts';
import {repositoryName} from '../names.ts';
import type {AwsOptions} from '../wanted/options.ts';
import {architectureOf} from '../wanted/settings.ts';
import {addSending, type Sending} from './archive-bucket.ts';
import {made, tagsFor, type Draft} from './draft.ts';

/** What a function is given to run. */
export interface Code {
  /** For the steps that write it. */
  readonly args: {readonly [key: string]: Arg};
  /** Adds what has to come right before the step that writes it, whose further arguments it gives. */
  readonly send: () => Sending;
  /** For the steps that wait until it is there. */
  readonly expected: {readonly image: string | null; readonly codeSha256?: string};
  /** The repository of an image; null for a zip archive. */
  readonly uri: Arg;
  /** Null for an image. */
  readonly zip: ZipCode | null;
  /** Why it is written, for people. */
  readonly differs: string;
}

/** Adds what brings an image to where Lambda takes it from; a zip archive is sent when it is written. */
export function addCode(draft: Draft, fn: FunctionSpec): Code {
  const architecture = architectureOf(fn.platform);
  const {name} = draft;
  const zip = fn.archive === undefined ? null : zipCodeOf(fn.archive);
  if (zip !== null) {
    const {codeSha256, digest, bytes} = zip;
    return {
      args: {name, image: fn.image, codeSha256, architecture},
      send: () => addSending(draft, {codeSha256, bytes, source: {archive: digest}}),
      expected: {image: null, codeSha256},
      uri: null,
      zip,
      differs: 'its code differs',
    };
  }
  const uri = addRepository(draft);
  const repository = repositoryOf(draft.options, draft.have);
  if (!repository?.images.includes(fn.image)) {
    const args = {name: repository?.name ?? repositoryName(name), uri, image: fn.image};
    draft.add('push', 'ecr:PushImage', args, [], 'Lambda takes it from there');
  }
  const imageUri = {$join: [...(typeof uri === 'string' ? [uri] : [uri as {$ref: string}]), '@', fn.image]};
  const args = {name, image: fn.image, imageUri, architecture};
  const send = (): Sending => ({args: {}, taken: () => {}});
  return {args, send, expected: {image: fn.image}, uri, zip: null, differs: 'its image differs'};
}

const repositoryOf = (options: AwsOptions, have: Have): RepositoryFound | null =>
  options.repository === null ? have.repository : have.ownRepository;

function addRepository(draft: Draft): Arg {
  const {name: fn, options, have, add} = draft;
  const found = repositoryOf(options, have);
  if (found !== null) return found.uri;
  const name = repositoryName(fn);
  const args = {name, function: fn, tags: tagsFor(draft)};
  add(
    'repository',
    'ecr:CreateRepository',
    args,
    made('repository', name),
    'Lambda runs images from ECR only',
  );
  return {$ref: 'repository.uri'};
}
