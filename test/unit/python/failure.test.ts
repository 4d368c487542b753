import {describe, expect, test} from 'vitest';
import {diagnose, explainFailure, missingOf} from '../../../src/python/failure.ts';
import type {LockTarget} from '../../../src/python/target.ts';

const TARGET: LockTarget = {platform: 'linux/arm64', version: '3.11', glibc: '2.36'};
const NO_SOLUTION = 'error: No solution found when resolving dependencies\n  cause: ';
const NOTHING = (what: string, versions = 'none'): string =>
  `ERROR: Could not find a version that satisfies the requirement ${what} (from versions: ${versions})\nERROR: No matching distribution found for ${what}`;

/** What uv 0.13 and pip 23 print, each word of it. */
const CASES: readonly (readonly [name: string, said: string, reason: string, message: RegExp])[] = [
  [
    'uv: a package that is only source',
    `${NO_SOLUTION}Because all versions of docopt have no usable wheels and you require docopt, we can conclude that your requirements are unsatisfiable.\n\nhint: Wheels are required for \`docopt\` because building from source is disabled for all packages (i.e., with \`--no-build\`)`,
    'source-only',
    /^docopt has no wheel for linux\/arm64, Python 3\.11, glibc 2\.36, only source code$/,
  ],
  [
    'uv: wheels for others',
    `${NO_SOLUTION}Because all versions of pycocotools-windows have no wheels with a matching Python ABI tag (e.g., \`cp311\`) and you require pycocotools-windows, we can conclude that your requirements are unsatisfiable.\n\nhint: You require CPython 3.11 (\`cp311\`), but we only found wheels for \`pycocotools-windows\` (v2.0.0.2) with the following Python ABI tags: \`cp36m\`, \`cp37m\`, \`cp38\``,
    'no-wheel',
    /^pycocotools-windows has no wheel for linux\/arm64.*only found wheels.*`cp38`$/,
  ],
  [
    'uv: no such package',
    `${NO_SOLUTION}Because nosuch was not found in the package registry and you require nosuch, we can conclude that your requirements are unsatisfiable.`,
    'no-package',
    /^there is no package nosuch$/,
  ],
  [
    'uv: no such version',
    `${NO_SOLUTION}Because there is no version of numpy==99 and you require numpy==99, we can conclude that your requirements are unsatisfiable.`,
    'no-package',
    /^there is no version of numpy==99$/,
  ],
  [
    'uv: two that do not fit, in a box as older versions draw it',
    '  × No solution found when resolving dependencies:\n  ╰─▶ Because pandas==2.3.3 depends on numpy>=1.23.2 and you require\n      pandas==2.3.3, we can conclude that you require numpy>=1.23.2.\n      And because you require numpy<1.20, we can conclude that your\n      requirements are unsatisfiable.',
    'conflict',
    /pandas==2\.3\.3 depends on numpy>=1\.23\.2 and you require pandas==2\.3\.3; you require numpy<1\.20$/,
  ],
  [
    'pip: two that do not fit',
    'ERROR: Cannot install a and b because these package versions have conflicting dependencies.\n\nThe conflict is caused by:\n    The user requested numpy<1.20\n    pandas 2.3.3 depends on numpy>=1.23.2\n\nTo fix this you could try to:\n1. loosen',
    'conflict',
    /: The user requested numpy<1\.20; pandas 2\.3\.3 depends on numpy>=1\.23\.2$/,
  ],
  [
    'pip: a package that is only source, asked twice',
    `${NOTHING('docopt')}\n  Skipping link: No sources permitted for docopt: https://h/docopt-0.6.2.tar.gz (from https://h/docopt/)`,
    'source-only',
    /^docopt has no wheel for .*, only source code$/,
  ],
  [
    'pip: wheels for others, asked twice',
    `${NOTHING('numpy==1.19.0')}\n  Skipping link: none of the wheel's tags (cp38-cp38-win32) are compatible (run pip debug --verbose to show compatible tags): https://h/numpy-1.19.0-cp38-cp38-win32.whl (from https://h/numpy/)\n  Skipping link: none of the wheel's tags (cp39-cp39-win32) are compatible (run pip debug --verbose to show compatible tags): https://h/numpy-1.20.0-cp39-cp39-win32.whl (from https://h/numpy/)`,
    'no-wheel',
    /^numpy 1\.19\.0 has no wheel for .*; there are some for cp38-cp38-win32$/,
  ],
  [
    'pip: wheels for others, some of them for the same processor',
    `${NOTHING('x==1.0')}\n${['cp38-cp38-manylinux2014_aarch64', 'cp38-cp38-win32', 'cp311-cp311-win32']
      .map(
        (tag) =>
          `  Skipping link: none of the wheel's tags (${tag}) are compatible: https://h/x-1.0-${tag}.whl (from h)`,
      )
      .join('\n')}`,
    'no-wheel',
    /; there are some for cp38-cp38-manylinux2014_aarch64, cp311-cp311-win32$/,
  ],
  ['pip: no such package', NOTHING('nosuch'), 'no-package', /^there is no package nosuch$/],
  ['pip: other versions', NOTHING('numpy==99', '2.4.5, 2.4.6'), 'no-package', /there is 2\.4\.5, 2\.4\.6$/],
  [
    'pip: nobody answers',
    `WARNING: Retrying after connection broken by 'NewConnectionError(': Failed to establish a new connection'\n${NOTHING('numpy')}`,
    'network',
    /cannot be reached/,
  ],
  [
    'uv: nobody answers',
    'error: Failed to fetch: http://h/simple/numpy/\n  cause: dns error',
    'network',
    /cannot be reached/,
  ],
  [
    'pip: not let in',
    `WARNING: 401 Error, Credentials not correct for http://h/simple/x/\n${NOTHING('x')}`,
    'credentials',
    /\(401\)/,
  ],
  [
    'pip: another file than was locked',
    'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n    six==1.16.0 from https://h/six.whl:\n        Expected sha256 aa\n             Got        bb',
    'hash',
    /^six==1\.16\.0 is not what it was/,
  ],
  [
    'uv: another file than was locked',
    'error: Hash mismatch for `six==1.16.0`\n\nExpected:',
    'hash',
    /^six==1\.16\.0 is not/,
  ],
  ['a full disk', 'OSError: [Errno 28] No space left on device', 'disk', /no space/],
  [
    'anything else',
    'Traceback\nValueError: odd\nERROR: this went wrong',
    'failed',
    /^ERROR: this went wrong$/,
  ],
];

describe('why there are no packages', () => {
  test.each(CASES)('%s', (_name, said, reason, message) => {
    const found = diagnose(said, TARGET);
    expect(found).toMatchObject({reason, message: expect.stringMatching(message) as string});
  });

  test('is told with the file that asks for them, and with the last lines of the first answer', () => {
    const context = {installer: 'pip', target: TARGET, source: 'requirements.txt'};
    const error = explainFailure(
      NOTHING('docopt'),
      context,
      'Skipping link: No sources permitted for docopt: https://h/docopt-0.6.2.tar.gz (from h)',
    );
    expect(error.message).toMatch(/^requirements\.txt: docopt has no wheel/);
    expect(error.facts).toMatchObject({reason: 'source-only', package: 'docopt', platform: 'linux/arm64'});
    expect(error.facts['lastLines']).toHaveLength(2);
    expect(missingOf(NOTHING('numpy<1.20'))).toBe('numpy<1.20');
  });
});
