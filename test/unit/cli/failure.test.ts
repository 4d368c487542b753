import {expect, test} from 'vitest';
import {describeFailure, renderFailure} from '../../../src/cli/failure.ts';
import {ThawError} from '../../../src/core/errors.ts';

const render = (error: ThawError): string =>
  renderFailure(describeFailure(error), {bad: (text) => text}).trimEnd();

test('what a provider does not take of the settings is named by their keys', () => {
  const problems = [{path: ['providers', 'somewhere', 'bucket'], message: 'there is no bucket b'}];
  expect(render(new ThawError('CONFIG_INVALID', 'there is no bucket b', {problems}))).toContain(
    '\n  providers.somewhere.bucket: there is no bucket b\n',
  );
});

test.each([
  ['bucket', ['Set providers.somewhere.bucket', 'Or set providers.somewhere.artifact to image']],
  [undefined, ['Set providers.somewhere.artifact to image']],
])('an archive that is too large has a way out: the option %s, or the image', (option, steps) => {
  const facts = {provider: 'somewhere', largest: 'archive', ...(option === undefined ? {} : {option})};
  const lines = render(new ThawError('IMAGE_TOO_LARGE', 'it has 62.3 MB', facts))
    .split('\n')
    .slice(1);
  expect(lines).toEqual(steps.map((step) => expect.stringContaining(`  ${step}`) as unknown));
});
