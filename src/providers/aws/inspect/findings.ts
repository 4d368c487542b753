import {OWNER_TAG} from '../names.ts';
import type {AwsOptions} from '../wanted/options.ts';
import type {FunctionFound, Have, Tags, VersionFound} from './have.ts';

/** Whether thaw made something for the function of that name. What is not there nobody made. */
export const isMadeFor = (name: string, tagged: {readonly tags: Tags} | null): boolean =>
  tagged?.tags[OWNER_TAG] === name;

/** The version that the alias leads to; undefined: there is no alias. */
export const liveVersion = ({versions, live}: FunctionFound): VersionFound | undefined =>
  versions.find(({version}) => version === live);

/** Versions that were made for a cold start: they carry its mark, and are not live. */
export const twinsOf = ({versions, live}: FunctionFound): readonly VersionFound[] =>
  versions.filter(({version, nonce}) => nonce !== null && version !== live);

/** Whether a function that thaw did not make is to be given new code. One that has been once is so for good. */
export const isToAdopt = ({ours, adopted, state}: FunctionFound, {adopt}: AwsOptions): boolean =>
  !ours && (adopt || adopted) && state !== 'Deleting';

/** Whether a function is one that thaw has deployed to. */
export const isDeployedTo = (fn: FunctionFound, options: AwsOptions): boolean =>
  fn.state !== 'Deleting' && (fn.ours || (isToAdopt(fn, options) && fn.live !== null));

/** A function that is being deleted is there no more, nor is one that could not be made. */
export const foundOf = ({fn}: Have): FunctionFound | null =>
  fn?.state === 'Deleting' || isStillborn(fn) ? null : fn;

/** Lambda says Failed of it, and it never had a version. */
export const isStillborn = (fn: FunctionFound | null): boolean =>
  fn?.state === 'Failed' && fn.ours && fn.versions.length === 0;
