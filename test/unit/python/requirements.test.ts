import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {beforeEach, describe, expect, test} from 'vitest';
import {createCleaner} from '../../../src/python/credentials.ts';
import {parseRequirements} from '../../../src/python/requirement-lines.ts';
import {partsOf, readRequirements, type Requirements} from '../../../src/python/requirements.ts';
import {fakeTools} from './tools.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-requirements-'));
  return () => rm(dir, {recursive: true, force: true});
});

const write = async (files: {readonly [path: string]: string}): Promise<void> => {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(dir, path, '..'), {recursive: true});
    await writeFile(join(dir, path), text);
  }
};
/** A Python that reads pyproject.toml as it is told. */
const declares = (declared: object) =>
  fakeTools({
    run: async () => ({exitCode: 0, stdout: JSON.stringify({...NOTHING, ...declared}), stderr: ''}),
  });
const NOTHING = {project: true, dependencies: [], dynamic: false, poetry: false, indexes: [], sources: {}};
const read = (named: string | null = null, declared: object = {}): Promise<Requirements | null> =>
  readRequirements(dir, named, async () => declares(declared));

describe('a line of a requirements file', () => {
  test.each([
    ['numpy>=1 # why', {kind: 'package', name: 'numpy', text: 'numpy>=1'}],
    ['Foo.Bar_baz[a,b]~=1.0 ; python_version < "4"', {kind: 'package', name: 'foo-bar-baz'}],
    ['x \\\n  --hash=sha256:ab', {kind: 'package', text: 'x   --hash=sha256:ab'}],
    ['bar @ https://h/bar-1.0-py3-none-any.whl#sha256=ab', {kind: 'package', name: 'bar'}],
    ['https://h/b_c-1.0-py3-none-any.whl', {kind: 'package', name: 'b-c'}],
    ['./w/x-1.0-py3-none-any.whl', {kind: 'wheel', file: './w/x-1.0-py3-none-any.whl'}],
    ['-e .', {kind: 'source', text: '.'}],
    ['./folder', {kind: 'source'}],
    ['git+https://h/x.git', {kind: 'source'}],
    ['foo @ git+https://h/x.git', {kind: 'source'}],
    ['https://h/y-1.tar.gz', {kind: 'source'}],
    ['-rmore.txt', {kind: 'include', path: 'more.txt'}],
    ['--requirement=more.txt', {kind: 'include', path: 'more.txt'}],
    ['-c limits.txt', {kind: 'constraint', path: 'limits.txt'}],
    ['--index-url=https://h/simple', {kind: 'option', text: '--index-url https://h/simple'}],
    ['-f wheels', {kind: 'find-links', path: 'wheels'}],
    ['--pre', {kind: 'option', text: '--pre'}],
  ])('%s', (text, expected) => {
    expect(parseRequirements(text)).toMatchObject([expected]);
  });

  test('comments, empty lines and what thaw decides itself say nothing', () => {
    expect(parseRequirements('# a\n\n  # b \\\n--only-binary :all:\n--no-binary=x\n')).toEqual([]);
  });
});

describe('the requirements of a project', () => {
  test('are all that its file includes, each file once', async () => {
    await write({
      'requirements.txt': 'numpy\n-r more/other.txt\n-c limits.txt\n',
      'more/other.txt': '-r ../requirements.txt\npandas\n--find-links wheels\n',
      'limits.txt': 'numpy<3\n',
    });
    const found = await read();
    expect(found).toMatchObject({file: 'requirements.txt', text: 'numpy\npandas\n'});
    expect(found?.files).toEqual(
      ['requirements.txt', 'more/other.txt', 'limits.txt'].map((file) => join(dir, file)),
    );
    expect(found?.parts).toMatchObject({
      constraints: ['numpy<3'],
      options: [`--find-links ${join(dir, 'more', 'wheels')}`],
    });
  });

  test('have another digest when a limit changes, and none that depends on where they lie', async () => {
    await write({'requirements.txt': 'numpy\n-c limits.txt\n', 'limits.txt': 'numpy<3\n'});
    const first = await read();
    await write({'limits.txt': '# said otherwise\nnumpy<3\n'});
    expect((await read())?.digest).toBe(first?.digest);
    await write({'limits.txt': 'numpy<2\n'});
    expect((await read())?.digest).not.toBe(first?.digest);
  });

  test('show no credentials, and keep them for those who fetch', async () => {
    await write({
      'requirements.txt':
        '--index-url https://me:sesame@h/simple\n-i https://token-123@i/\nx @ https://u:pw12@h/x-1-py3-none-any.whl\n',
    });
    const found = await read();
    expect(found?.text).toBe(
      '--index-url https://h/simple\n-i https://i/\nx @ https://h/x-1-py3-none-any.whl\n',
    );
    expect(found?.parts.options[0]).toBe('--index-url https://me:sesame@h/simple');
    const clean = createCleaner(JSON.stringify(found?.parts), {PIP_INDEX_URL: 'https://a:b64pass@c/'});
    expect(clean('at https://me:sesame@h/x: sesame, token-123, pw12, b64pass')).toBe(
      'at https://h/x: [redacted], [redacted], [redacted], [redacted]',
    );
  });

  test('a project with neither file has none; a file that is named and missing is said', async () => {
    expect(await read()).toBeNull();
    await expect(read('needs.txt')).rejects.toMatchObject({
      code: 'PACKAGES_UNAVAILABLE',
      message: 'needs.txt does not exist',
    });
    await write({'requirements.txt': '-r gone.txt\n'});
    await expect(read()).rejects.toThrow('gone.txt, which requirements.txt:1 includes, does not exist');
  });

  test('sources are refused where they stand, without their credentials', async () => {
    await write({'requirements.txt': 'numpy\ngit+https://me:sesame@h/x.git\n'});
    await expect(read()).rejects.toMatchObject({
      message:
        'requirements.txt:2: git+https://h/x.git is source code, and images are built from wheels alone',
      facts: {reason: 'source-only'},
    });
  });

  test('of a pyproject.toml are its dependencies, with the indexes of uv', async () => {
    await write({'pyproject.toml': ''});
    const indexes = [{url: 'https://me:sesame@h/cpu', default: false}];
    const found = await read(null, {dependencies: ['torch>=2', 'numpy'], indexes});
    expect(found).toMatchObject({
      file: 'pyproject.toml',
      text: '--extra-index-url https://h/cpu\ntorch>=2\nnumpy\n',
    });
  });

  test.each([
    [{dynamic: true}, 'dynamic'],
    [{project: false, poetry: true}, 'poetry'],
    [{dependencies: ['x'], sources: {X: 'git'}}, 'source-only'],
    [{dependencies: ['x @ git+https://h/x.git']}, 'source-only'],
  ])('of a pyproject.toml that says %j are refused', async (declared, reason) => {
    await write({'pyproject.toml': ''});
    await expect(read(null, declared)).rejects.toMatchObject({facts: {reason}});
  });

  test('a pyproject.toml for a linter alone is none', async () => {
    await write({'pyproject.toml': ''});
    expect(await read(null, {project: false})).toBeNull();
  });

  test('stored as text are read back', () => {
    expect(partsOf('--index-url https://h/simple\nnumpy>=1\n')).toMatchObject({
      options: ['--index-url https://h/simple'],
      packages: [{name: 'numpy', text: 'numpy>=1'}],
    });
  });
});
