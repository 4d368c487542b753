import type {FunctionRef} from '../../../core/driver.ts';
import {ThawError} from '../../../core/errors.ts';
import type {Arg} from '../../../core/plan.ts';
import {formatBytes} from '../../../core/units.ts';
import {REQUEST_BYTES_MAX} from '../archive.ts';
import type {Have} from '../inspect/have.ts';
import {archiveKey} from '../names.ts';
import type {AwsOptions} from '../wanted/options.ts';
import {gone, type Draft} from './draft.ts';

/** A zip archive that a step is to write. */
export interface ArchiveToSend {
  readonly codeSha256: string;
  readonly bytes: number;
  /** Where its bytes come from, for the step that reads them. */
  readonly source: {readonly archive: string} | {readonly from: string};
}

/** An archive on its way. */
export interface Sending {
  /** For the step that writes it. */
  readonly args: {readonly [key: string]: Arg};
  /** Adds what follows once Lambda has it. */
  readonly taken: () => void;
}

/**
 * Adds what brings an archive to where Lambda takes it from, if it is too large for the request itself; in a request it
 * is sent as it is.
 *
 * @throws ThawError CONFIG_INVALID if it needs a bucket, and the options name none that would do
 */
export function addSending(draft: Draft, {codeSha256, bytes, source}: ArchiveToSend): Sending {
  const {name, options, have, add} = draft;
  if (bytes <= REQUEST_BYTES_MAX) return {args: source, taken: () => {}};
  refuseArchiveBucket({name}, options, have);
  const {bucket} = options;
  const size = `${formatBytes(bytes)}, and Lambda takes ${formatBytes(REQUEST_BYTES_MAX)} in a request`;
  if (bucket === null) {
    throw noBucket(`the archive of ${name} has ${size}: it has to go through a bucket`);
  }
  const key = archiveKey(name, codeSha256);
  const what = {name, bucket, key};
  add('upload', 's3:PutObject', {...what, codeSha256, ...source}, [], `it has ${size}`);
  return {
    args: {bucket, key, version: {$ref: 'upload.version'}},
    taken: () => add('uploaded', 's3:DeleteObject', what, [], 'Lambda has it'),
  };
}

/** Adds the deletion of archives that deploys which were cut off have left behind. */
export function addUploadsTidying({name, options: {bucket}, have, steps, add}: Draft): void {
  const {archiveBucket} = have;
  if (archiveBucket?.state !== 'there' || bucket === null) return;
  const handled = steps.flatMap(({op, args}) => (op === 's3:DeleteObject' ? [args['key']] : []));
  for (const [index, key] of archiveBucket.left.filter((each) => !handled.includes(each)).entries()) {
    const why = 'a deploy that was cut off has left it';
    add(`left-${index}`, 's3:DeleteObject', {name, bucket, key}, gone('upload', key), why);
  }
}

/** @throws ThawError CONFIG_INVALID if the bucket that the options name is not there, or not where the function is */
export function refuseArchiveBucket({name}: FunctionRef, {bucket}: AwsOptions, have: Have): void {
  const {archiveBucket, account} = have;
  if (archiveBucket === null || archiveBucket.state === 'there') return;
  throw noBucket(
    archiveBucket.state === 'absent'
      ? `there is no bucket ${bucket}`
      : `the bucket ${bucket} is in ${archiveBucket.region}, and Lambda takes archives of ${name} from ${account.region} alone`,
  );
}

function noBucket(message: string): ThawError {
  const problems = [{path: ['providers', 'aws', 'bucket'], message}];
  return new ThawError('CONFIG_INVALID', message, {problems, provider: 'aws'});
}
