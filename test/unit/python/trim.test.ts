import {describe, expect, test} from 'vitest';
import {parseMetadata} from '../../../src/python/metadata.ts';
import {importedModules, planTrim} from '../../../src/python/trim.ts';

const trim = async (files: {readonly [path: string]: string}): Promise<readonly string[]> => {
  const listed = Object.keys(files).map((path) => ({path, bytes: 1}));
  return [...(await planTrim(listed, async (path) => files[path]!))].sort();
};

describe('what installed packages need not bring along', () => {
  test('is for compilers, installers and shells', async () => {
    expect(
      await trim({
        'np/core.py': '',
        'np/py.typed': '',
        'np/core.pyi': '',
        'np/include/array.h': '',
        'np/lib/libm.a': '',
        'np/random.pxd': '',
        'np/__pycache__/core.cpython-311.pyc': '',
        'np-1.dist-info/METADATA': '',
        'np-1.dist-info/licenses/LICENSE': '',
        'np-1.dist-info/RECORD': '',
        'np-1.dist-info/INSTALLER': '',
        'np-1.dist-info/direct_url.json': '',
        'bin/f2py': '',
        '.lock': '',
      }),
    ).toEqual([
      '.lock',
      'bin/f2py',
      'np-1.dist-info/INSTALLER',
      'np-1.dist-info/direct_url.json',
      'np/__pycache__/core.cpython-311.pyc',
      'np/core.pyi',
      'np/include/array.h',
      'np/lib/libm.a',
      'np/random.pxd',
    ]);
  });

  test('are tests that nothing else imports; what is called testing stays', async () => {
    const files = {
      'np/testing/__init__.py': 'from np.core.tests._natype import NA',
      'np/core/tests/_natype.py': '',
      'np/core/tests/test_a.py': '',
      'np/linalg/tests/test_b.py': 'import np.fft.tests',
      'np/fft/tests/test_c.py': '',
      'tf/api/__init__.py': 'from tf.api import (\n  math,\n  test,\n)',
      'tf/api/test/__init__.py': '',
      'web/runner.py': 'from .test.client import Client',
      'web/test/client.py': '',
      'web/tests/test_d.py': '',
    };
    expect(await trim(files)).toEqual([
      'np/fft/tests/test_c.py',
      'np/linalg/tests/test_b.py',
      'web/tests/test_d.py',
    ]);
  });

  test('are stubs, unless a package loads its modules by them', async () => {
    const files = {
      'ski/__init__.py':
        'import lazy_loader as lazy\n__getattr__, _, _ = lazy.attach_stub(__name__, __file__)',
      'ski/__init__.pyi': '',
      'ski/other.pyi': '',
    };
    expect(await trim(files)).toEqual(['ski/other.pyi']);
  });
});

test('imports are found in every form', () => {
  const source = [
    'import a.b as c, d',
    'from .near import x',
    'from .. import up  # why',
    '    from e import (f,\n  g as h)',
    "importlib.import_module('i.j')",
  ].join('\n');
  expect(importedModules(source, 'p/q/r.py')).toEqual([
    'a/b',
    'd',
    'p/q/near',
    'p/q/near/x',
    'p',
    'p/up',
    'e',
    'e/f',
    'e/g',
    'i/j',
  ]);
});

describe('the license of a package', () => {
  test.each([
    ['License-Expression: MIT\nLicense: other', 'MIT'],
    ['License: BSD-3-Clause', 'BSD-3-Clause'],
    [
      `License: ${'long text '.repeat(20)}\nClassifier: License :: OSI Approved :: BSD License`,
      'BSD License',
    ],
    ['License: UNKNOWN', null],
    ['Classifier: Topic :: X\n\nLicense: not a field any more', null],
  ])('%s', (fields, license) => {
    expect(parseMetadata(`Metadata-Version: 2.1\nName: x\nVersion: 1\n${fields}\n`)).toEqual({
      name: 'x',
      version: '1',
      license,
    });
  });
});
