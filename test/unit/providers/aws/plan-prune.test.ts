import {describe, expect, it} from 'vitest';
import type {Digest} from '../../../../src/core/digest.ts';
import type {FunctionSpec} from '../../../../src/core/function.ts';
import type {Plan} from '../../../../src/core/plan.ts';
import type {FunctionFound, Have, VersionFound} from '../../../../src/providers/aws/inspect/have.ts';
import {parseOptions} from '../../../../src/providers/aws/wanted/options.ts';
import {planDeploy} from '../../../../src/providers/aws/plan/deploy.ts';
import {planRollback} from '../../../../src/providers/aws/plan/rollback.ts';
import {NAME, opsOf, options, site, spec, version} from './found.ts';

/** Version n is of the image n. */
const imageOf = (n: number): Digest => `sha256:${n.toString(16).repeat(64).slice(0, 64)}`;
const fnOf = (n: number): FunctionSpec => ({...spec, image: imageOf(n)});
const versionsTo = (n: number): VersionFound[] =>
  Array.from({length: n}, (_, index) => version(`${index + 1}`, fnOf(index + 1)));

/** What is there after so many deploys, each of another image. */
function deployed(n: number, change: Partial<FunctionFound> = {}): Have {
  const images = Array.from({length: n}, (_, index) => imageOf(index + 1));
  const live = change.live ?? `${n}`;
  const latest = version('0', fnOf(n));
  const have = site({
    versions: versionsTo(n),
    live,
    held: [live],
    latest: latest.settings,
    declared: {image: imageOf(n), nonce: null},
    imageUri: `${site().repository?.uri}@${imageOf(n)}`,
    ...change,
  });
  return {...have, repository: have.repository && {...have.repository, images, pushed: images}};
}

const pruned = ({steps}: Plan): unknown[] =>
  steps.filter(({id}) => /^prune-\d/.test(id)).map(({args}) => args['version']);
const images = ({steps}: Plan): unknown => steps.find(({id}) => id === 'prune-images')?.args['images'] ?? [];

describe('a deploy prunes', () => {
  it('nothing as long as five versions are kept beside the live one', () => {
    expect(opsOf(planDeploy(fnOf(6), options, deployed(5))).at(-1)).toBe('UpdateAlias');
    expect(planDeploy(fnOf(6), options, deployed(6)).steps).toEqual([]);
  });

  it('what is more than that, with images that only that ran, and as its last steps', () => {
    const plan = planDeploy(fnOf(9), options, deployed(8));
    expect(opsOf(plan).slice(-5)).toEqual([
      'UpdateAlias',
      'DeleteFunction',
      'DeleteFunction',
      'DeleteFunction',
      'BatchDeleteImage',
    ]);
    expect([pruned(plan), images(plan)]).toEqual([
      ['1', '2', '3'],
      [imageOf(1), imageOf(2), imageOf(3)],
    ]);
    const said = plan.steps.slice(-4).flatMap(({changes}) => changes);
    expect(said[0]).toEqual({path: 'old.version', from: '1', to: null});
    expect(said.at(-1)).toEqual({path: 'old.image', from: imageOf(3), to: null});
  });

  it('also where nothing else is to be done, once', () => {
    const fewer = parseOptions({keep: 2});
    const plan = planDeploy(fnOf(6), fewer, deployed(6));
    expect(opsOf(plan)).toEqual([...Array<string>(3).fill('DeleteFunction'), 'BatchDeleteImage']);
    expect(pruned(plan)).toEqual(['1', '2', '3']);
    const after = deployed(6, {versions: versionsTo(6).slice(3)});
    const left = [4, 5, 6].map(imageOf);
    const repository = after.repository && {...after.repository, images: left, pushed: left};
    expect(planDeploy(fnOf(6), fewer, {...after, repository}).steps).toEqual([]);
  });

  it('nothing where all are kept', () => {
    expect(planDeploy(fnOf(9), parseOptions({keep: null}), deployed(8)).steps.at(-1)?.op).toBe(
      'lambda:UpdateAlias',
    );
  });

  it('nothing that an alias leads to, be it with a weight, or that is kept ready', () => {
    const provisioned = [{version: '2', requested: 1, ready: 1, status: 'READY' as const, reason: null}];
    const schedules = [{version: '4', registered: true, actions: []}];
    const plan = planDeploy(
      fnOf(11),
      options,
      deployed(10, {held: ['10', '1', '3'], provisioned, schedules}),
    );
    expect(pruned(plan)).toEqual(['5']);
    expect(images(plan)).toEqual([imageOf(5)]);
  });

  it('no version of somebody else’s, and no twin twice', () => {
    const versions = versionsTo(8).map((each) => (each.version === '1' ? {...each, byThaw: false} : each));
    versions.push(version('9', fnOf(8), 'abc'));
    const plan = planDeploy(fnOf(10), options, deployed(8, {versions}));
    expect(pruned(plan)).toEqual(['2', '3']);
    expect(plan.steps.map(({id}) => id)).toContain('tidy-9');
  });

  it('never what was live until now, however old, nor what publishing may give again', () => {
    const have = deployed(8, {live: '2', held: ['2']});
    const plan = planDeploy(fnOf(9), parseOptions({keep: 1}), have);
    expect(pruned(plan)).toEqual(['1', '3', '4', '5', '6', '7']);
    expect(images(plan)).not.toContain(imageOf(2));
    expect(images(plan)).not.toContain(imageOf(8));
  });

  it('no image that a version runs which stays, nor any where that cannot be told', () => {
    const shared = versionsTo(8).map((each) => (each.version === '7' ? version('7', fnOf(1)) : each));
    const plan = planDeploy(fnOf(9), options, deployed(8, {versions: shared}));
    expect([pruned(plan), images(plan)]).toEqual([
      ['1', '2', '3'],
      // The image of version 7 is that of the first.
      [imageOf(2), imageOf(3), imageOf(7)],
    ]);
    const unknown = versionsTo(8).map((each) => (each.version === '7' ? {...each, image: null} : each));
    const careful = planDeploy(fnOf(9), options, deployed(8, {versions: unknown}));
    expect([pruned(careful).length, images(careful)]).toEqual([3, []]);
  });

  it('no image that somebody else has tagged, and none in a repository that is not thaw’s', () => {
    const have = deployed(8);
    const tagged = have.repository && {...have.repository, pushed: [imageOf(2)]};
    expect(images(planDeploy(fnOf(9), options, {...have, repository: tagged}))).toEqual([imageOf(2)]);
    const own = parseOptions({repository: 'team/models'});
    const ownRepository = have.repository && {...have.repository, name: 'team/models', tags: {}};
    const plan = planDeploy(fnOf(9), own, {...have, ownRepository});
    expect([pruned(plan).length, images(plan)]).toEqual([3, []]);
  });

  it('what a deploy that was cut off has pushed only with a deploy that publishes', () => {
    const have = deployed(2);
    const stray = imageOf(11);
    const repository = have.repository && {
      ...have.repository,
      images: [...have.repository.images, stray],
      pushed: [...have.repository.pushed, stray],
    };
    expect(planDeploy(fnOf(2), options, {...have, repository}).steps).toEqual([]);
    expect(images(planDeploy(fnOf(3), options, {...have, repository}))).toEqual([stray]);
  });

  it('nothing of a function that thaw did not make', () => {
    const have = deployed(9, {ours: false, adopted: true, tags: {}});
    const plan = planDeploy(fnOf(10), parseOptions({adopt: true}), have);
    expect(opsOf(plan)).not.toContain('DeleteFunction');
    expect(opsOf(plan)).not.toContain('BatchDeleteImage');
  });
});

describe('a rollback', () => {
  it('goes to what was kept, and says what there is where that was not', () => {
    const have = deployed(9, {versions: versionsTo(9).slice(3)});
    expect(planRollback({name: NAME}, options, have, null).steps.at(-1)?.args['version']).toBe('8');
    expect(() => planRollback({name: NAME}, options, have, '2')).toThrow(
      'has no version 2 on aws; it has 4, 5, 6, 7, 8, 9',
    );
  });
});
