import type {FunctionSpec} from '../../../core/function.ts';
import {isMadeFor, twinsOf} from '../inspect/findings.ts';
import type {FunctionFound, VersionFound} from '../inspect/have.ts';
import {gone, type Draft} from './draft.ts';

/**
 * Adds the deletion of versions that are too many to be kept to roll back to, and of images that only they ran.
 *
 * @param publishes whether the plan publishes a version: what is live until then is one to roll back to, then
 */
export function addPruning(draft: Draft, fn: FunctionSpec, found: FunctionFound, publishes: boolean): void {
  const {name, options, have, add} = draft;
  const {keep} = options;
  if (keep === null) return;
  const stale = staleVersions(found, keep, publishes);
  const why = `no more than ${keep} ${keep === 1 ? 'is' : 'are'} kept to roll back to`;
  for (const {version} of stale) {
    const args = {name, version, spare: true};
    add(`prune-${version}`, 'lambda:DeleteFunction', args, gone('old.version', version), why);
  }
  // What a deploy that was cut off has pushed is no work of its own.
  const images = publishes || stale.length > 0 ? staleImages(draft, fn, found, stale) : [];
  if (images.length === 0 || have.repository === null) return;
  const args = {name: have.repository.name, function: name, images};
  const changes = images.flatMap((image) => gone('old.image', image));
  add('prune-images', 'ecr:BatchDeleteImage', args, changes, 'no version runs them any more');
}

/** Versions that thaw published and nobody can have a use for: those that aliases lead to stay, whoever made them. */
function staleVersions(found: FunctionFound, keep: number, publishes: boolean): VersionFound[] {
  const {versions, live, held, provisioned, schedules} = found;
  const twins = twinsOf(found);
  const isLive = ({version}: VersionFound): boolean => version === live;
  const newestFirst = versions.filter((version) => !twins.includes(version)).toReversed();
  // After a rollback the live one may be older than others, and is the one to roll back to once another is live.
  const toRollBackTo = [
    ...newestFirst.filter((version) => publishes && isLive(version)),
    ...newestFirst.filter((version) => !isLive(version)),
  ];
  const used = new Set([
    ...held,
    ...provisioned.map(({version}) => version),
    ...schedules.map(({version}) => version),
    // Publishing what was published last gives that version again.
    ...newestFirst.slice(0, 1).map(({version}) => version),
  ]);
  return toRollBackTo
    .slice(keep)
    .filter(({version, byThaw}) => byThaw && !used.has(version))
    .sort((a, b) => Number(a.version) - Number(b.version));
}

/** Images that thaw pushed into a repository of its own, and that nothing runs which stays. */
function staleImages(
  {name, options, have}: Draft,
  fn: FunctionSpec,
  found: FunctionFound,
  stale: readonly VersionFound[],
): string[] {
  const {repository} = have;
  const staying = found.versions.filter((version) => !stale.includes(version));
  const isKnown = staying.every(({image}) => image !== null);
  const mayDelete = options.repository === null && fn.archive === undefined && isKnown;
  if (!mayDelete || repository === null || !isMadeFor(name, repository)) return [];
  const used = new Set([
    fn.image,
    found.latest['image'],
    found.declared.image,
    ...staying.map(({image}) => image),
  ]);
  return repository.pushed.filter((image) => !used.has(image));
}
