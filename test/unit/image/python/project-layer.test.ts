import {mkdir, mkdtemp, rm, symlink, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {beforeEach, describe, expect, test} from 'vitest';
import type {Compiler, CompileJob} from '../../../../src/core/python.ts';
import {planProject, type ProjectLayer} from '../../../../src/image/python/project-layer.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-project-layer-'));
  return () => rm(dir, {recursive: true, force: true});
});
const write = async (files: {readonly [path: string]: string | Uint8Array}): Promise<void> => {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), {recursive: true});
    await writeFile(join(dir, path), content);
  }
};
const plan = (except: readonly string[] = [], compiler: Compiler | null = null): Promise<ProjectLayer> =>
  planProject({
    dir,
    except: except.map((path) => join(dir, path)),
    compiler,
    signal: new AbortController().signal,
  });
const pathsOf = ({entries}: Pick<ProjectLayer, 'entries'>): readonly string[] =>
  entries.map(({path}) => path.replace(/^opt\/thaw\/handler\//, '')).sort();

/** Writes the name that tracebacks shall show. */
const compiler: Compiler = {
  version: '3.11.7',
  tag: 'cpython-311',
  compile: async (jobs: readonly CompileJob[]) => {
    for (const {source, target, name} of jobs) {
      if (!source.includes('broken')) await writeFile(target, name);
    }
  },
};

const MIB = Buffer.alloc(1 << 20, 7);

describe('the project’s own files', () => {
  test('are all but what is hidden, made by tools, or of no use to a handler', async () => {
    const out = [
      '.env',
      '.git/config',
      '.thaw/image/index.json',
      '__pycache__/app.cpython-311.pyc',
      'lib/__pycache__/a.pyc',
      'node_modules/x/index.js',
      'thaw.yaml',
      'README.md',
      'samples/row.json',
      'training/train.py',
      'tests/test_app.py',
      'requirements.txt',
      'requirements-linux-amd64-py3.11.lock',
      'pyproject.toml',
      'env/pyvenv.cfg',
      'env/lib/python3.11/site-packages/numpy/__init__.py',
      'model/model.onnx',
    ];
    const kept = [
      'app.py',
      'lib/a.py',
      'lib/README.md',
      'lib/tests/rows.json',
      'labels.json',
      'lib/requirements.txt',
    ];
    await write(Object.fromEntries([...out, ...kept].map((path) => [path, path])));
    const layer = await plan(['model/model.onnx']);
    expect(pathsOf(layer)).toEqual([...kept].sort());
    expect(layer.files.toSorted()).toEqual(kept.map((path) => join(dir, path)).sort());
  });

  test('are also what .thawignore says, which may take back what is usually left out', async () => {
    await write({
      '.thawignore': '# notes\n*.ipynb\n/data/*\n!/data/keep.csv\n!README.md\n!/tests/\n.git\n',
      'a.ipynb': '',
      'data/drop.csv': '',
      'data/keep.csv': '',
      'README.md': '',
      'tests/x.py': '',
      '.git/HEAD': '',
    });
    const layer = await plan();
    expect(pathsOf(layer)).toEqual(['README.md', 'data/keep.csv', 'tests/x.py']);
    expect(layer.files).toContain(join(dir, '.thawignore'));
  });

  test('that are large and no source lie with the model, so that a changed handler moves little', async () => {
    await write({'weights.pt': MIB, 'big.py': MIB, 'small.bin': MIB.subarray(1)});
    const layer = await plan();
    expect(layer.data).toEqual([{path: 'opt/thaw/handler/weights.pt', file: join(dir, 'weights.pt')}]);
    expect(pathsOf(layer)).toEqual(['big.py', 'small.bin']);
  });

  test('are compiled beside their sources, where they can be', async () => {
    await write({'app.py': 'a', 'lib/b.py': 'b', 'broken.py': '('});
    const layer = await plan([], compiler);
    expect(pathsOf(layer)).toEqual([
      '__pycache__/app.cpython-311.pyc',
      'app.py',
      'broken.py',
      'lib/__pycache__/b.cpython-311.pyc',
      'lib/b.py',
    ]);
    const bytecode = layer.entries.find(({path}) => path.endsWith('b.cpython-311.pyc'));
    expect(bytecode).toMatchObject({source: {bytes: Buffer.from('/opt/thaw/handler/lib/b.py')}});
  });
});

describe.skipIf(process.platform === 'win32')('a link', () => {
  test('within the project becomes what it leads to', async () => {
    await write({'lib/a.py': 'a', 'real.json': '{}'});
    await symlink('real.json', join(dir, 'labels.json'));
    await symlink('lib', join(dir, 'also'));
    await symlink('..', join(dir, 'lib', 'circle'));
    const layer = await plan();
    expect(pathsOf(layer)).toEqual(['also/a.py', 'labels.json', 'lib/a.py', 'real.json']);
    expect(layer.entries.every(({kind}) => kind === 'file')).toBe(true);
  });

  test('that leads out of the project, or nowhere, is refused unless it is left out anyway', async () => {
    await symlink(tmpdir(), join(dir, 'out'));
    await expect(plan()).rejects.toMatchObject({
      code: 'HANDLER_INVALID',
      message: expect.stringMatching(/^out is a link that leads out of the project, to /) as string,
    });
    await write({'.thawignore': 'out\n'});
    await expect(plan()).resolves.toMatchObject({data: []});
    await symlink('gone.json', join(dir, 'broken.json'));
    await expect(plan()).rejects.toThrow('broken.json is a link that leads nowhere');
  });
});
