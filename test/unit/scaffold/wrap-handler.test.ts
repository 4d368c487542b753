import {mkdir, readFile, symlink, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {parse} from 'yaml';
import {configSchema} from '../../../src/config/schema.ts';
import {readHandlerFiles, readListedPackages} from '../../../src/scaffold/handler-files.ts';
import type {ScaffoldPlan} from '../../../src/scaffold/plan.ts';
import {
  includedFiles,
  listsDependencies,
  renderRequirements,
  unlisted,
  type ImportedPackage,
} from '../../../src/scaffold/requirements.ts';
import {planWrapHandler, type WrapHandlerInputs} from '../../../src/scaffold/wrap-handler.ts';
import {writeScaffold} from '../../../src/scaffold/write.ts';
import {contentsOf, temporaryFolder} from './temporary-folder.ts';

const signal = new AbortController().signal;

const inputs: WrapHandlerInputs = {
  name: 'my-service',
  file: 'app.py',
  serving: {name: 'lambda_handler', takes: 'event'},
  event: 'http',
  pythonVersion: '3.12',
  requestKeys: ['features'],
  packages: [],
  requirements: null,
  files: [],
  model: null,
};

const numpy: ImportedPackage = {
  name: 'numpy',
  version: '2.1.0',
  source: 'installed',
  module: 'numpy',
  file: 'app.py',
  line: 3,
  optional: false,
};

function textOf(plan: ScaffoldPlan, path: string): string {
  const file = plan.files.find((each) => each.path === path);
  return file && 'content' in file ? new TextDecoder().decode(file.content) : '';
}

/** Writes files into a new folder. */
async function folderOf(files: {readonly [path: string]: string}): Promise<string> {
  const dir = await temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), {recursive: true});
    await writeFile(join(dir, path), text);
  }
  return dir;
}

describe("a project around the user's own handler", () => {
  it('holds the handler and what belongs to it as they are, and what thaw needs besides', async () => {
    const from = await folderOf({'app.py': 'import lib', 'lib/__init__.py': '', 'labels.txt': 'a\nb\n'});
    const files = await readHandlerFiles(from, {files: ['app.py', 'labels.txt'], folders: ['lib']});
    const project = join(from, 'project');
    await writeScaffold(planWrapHandler({...inputs, packages: [numpy], files}), project, {
      onConflict: 'refuse',
      signal,
    });
    expect(await contentsOf(project)).toEqual([
      '.gitignore',
      'README.md',
      'app.py',
      'labels.txt',
      'lib',
      'lib/__init__.py',
      'requirements.txt',
      'samples',
      'samples/request.json',
      'thaw.yaml',
    ]);
    expect(await readFile(join(project, 'labels.txt'), 'utf8')).toBe('a\nb\n');
    expect(await readFile(join(project, 'requirements.txt'), 'utf8')).toBe(
      '# What app.py imports.\nnumpy==2.1.0\n',
    );
    expect(JSON.parse(await readFile(join(project, 'samples', 'request.json'), 'utf8'))).toEqual({
      features: null,
    });
  });

  it.each([
    [{event: 'http'}, {handler: 'app.py:lambda_handler', python: {version: '3.12', event: 'http'}}],
    [{event: 'direct'}, {python: {event: 'direct'}}],
    [{serving: {name: 'Predictor', takes: 'input'}, event: null}, {handler: 'app.py:Predictor'}],
    [{serving: {name: 'predict', takes: 'input'}, event: null}, {handler: 'app.py'}],
    [{requirements: 'pyproject.toml'}, {python: {requirements: 'pyproject.toml'}}],
    [{file: 'my "app" #1.py'}, {handler: 'my "app" #1.py:lambda_handler'}],
    [
      {model: {path: 'model/net.onnx', info: {inputs: [], outputs: []}}},
      {model: {path: 'model/net.onnx', quantize: 'auto'}},
    ],
  ] as const)('with %j has a thaw.yaml that says so, and that thaw reads', (change, said) => {
    const text = textOf(planWrapHandler({...inputs, ...change}), 'thaw.yaml');
    const config = parse(text) as {python: object; model?: object};
    expect(config).toMatchObject(said);
    expect(configSchema.safeParse(config).error).toBeUndefined();
    if (!('model' in change)) expect(config.model).toBeUndefined();
    if ('event' in change && change.event === null) expect(config.python).not.toHaveProperty('event');
  });

  it('lists packages once: where the user does', () => {
    const paths = (plan: ScaffoldPlan) => plan.files.map(({path}) => path);
    expect(paths(planWrapHandler(inputs))).toContain('requirements.txt');
    expect(paths(planWrapHandler({...inputs, requirements: 'pyproject.toml'}))).not.toContain(
      'requirements.txt',
    );
  });

  it('takes a file of the user before one of its own, but for thaw.yaml', () => {
    const own = ['README.md', 'thaw.yaml', 'samples/request.json'];
    const {files} = planWrapHandler({...inputs, files: own.map((path) => ({path, copyOf: `/from/${path}`}))});
    const paths = files.map(({path}) => path);
    expect(paths).toEqual([...new Set(paths)]);
    expect(files.filter((file) => 'copyOf' in file).map(({path}) => path)).toEqual([
      'README.md',
      'samples/request.json',
    ]);
  });

  it('says in its README what is to be looked at, whatever names there are', () => {
    const readme = textOf(planWrapHandler({...inputs, requestKeys: ['a`b\nc', 'd']}), 'README.md');
    expect(readme).toContain('`a b c`, `d`');
    expect(textOf(planWrapHandler({...inputs, requestKeys: []}), 'README.md')).toContain('is empty');
  });
});

describe('a requirements.txt of what is imported', () => {
  it('pins what is installed, and says of anything else what is known of it', () => {
    const text = renderRequirements('app.py', [
      numpy,
      {...numpy, name: 'torch', version: null, module: 'torch'},
      {...numpy, name: 'Pillow', version: null, module: 'PIL', source: 'known', line: 4},
      {...numpy, name: 'obscure', version: null, module: 'obscure', source: 'guessed', line: 5},
      {...numpy, name: 'ujson', version: null, module: 'ujson', source: 'known', optional: true, line: 6},
      {...numpy, name: 'orjson', version: '3.9', module: 'orjson', optional: true, line: 7},
    ]);
    expect(text.split('\n')).toEqual([
      '# What app.py imports.',
      'numpy==2.1.0',
      'torch # import torch, app.py:3: what is installed is of no release',
      'Pillow # import PIL, app.py:4: not installed here, so that no version is known',
      'obscure # import obscure, app.py:5: the name is a guess, check it before you install it',
      '# ujson # import ujson, app.py:6: it does without',
      'orjson==3.9',
      '',
    ]);
  });

  it('that the user wrote is asked for names as indexes compare them', () => {
    const text = 'NumPy>=1.2 ; python_version > "3"\n# scipy\nscikit_learn[x]==1\n-r more.txt\n';
    const names = ['numpy', 'scipy', 'scikit-learn'].map((name) => ({...numpy, name}));
    expect(unlisted(text, names).map(({name}) => name)).toEqual(['scipy']);
    expect(unlisted('', [{...numpy, optional: true}])).toEqual([]);
  });

  it('names the files that it includes', () => {
    const text =
      '-r base.txt\n  -c  limits.txt # why\n--requirement=more.txt\n-rtight.txt\n# -r no.txt\nx-r.txt\n';
    expect(includedFiles(text)).toEqual(['base.txt', 'limits.txt', 'more.txt', 'tight.txt']);
  });

  it('is not made where a pyproject.toml lists dependencies of the project', () => {
    expect(listsDependencies('[project]\nname = "x"\ndependencies = ["numpy"]\n')).toBe(true);
    expect(listsDependencies('[build-system]\n\n[project]\ndependencies=[]\n\n[tool.x]\n')).toBe(true);
    expect(listsDependencies('[project]\nname = "x"\n\n[tool.other]\ndependencies = ["numpy"]\n')).toBe(
      false,
    );
    expect(listsDependencies('[tool.ruff]\nline-length = 100\n')).toBe(false);
  });
});

describe('the files of a handler', () => {
  it('are those of its folders without what is hidden or made by tools', async () => {
    const dir = await folderOf({
      'lib/a.py': '',
      'lib/data/words.txt': '',
      'lib/.env': 'SECRET=1',
      'lib/__pycache__/a.cpython-312.pyc': '',
      'lib/b.pyc': '',
      'other.txt': '',
    });
    const links = await symlink(join(dir, 'other.txt'), join(dir, 'lib', 'linked.txt')).then(
      () => ['lib/linked.txt'],
      () => [],
    );
    const files = await readHandlerFiles(dir, {files: ['lib/a.py'], folders: ['lib']});
    expect(files.map(({path}) => path)).toEqual(['lib/a.py', 'lib/data/words.txt', ...links]);
  });

  it('come with the list of its packages, and what that includes below its folder', async () => {
    const dir = await folderOf({
      'requirements.txt': '-r requirements/base.txt\n-r ../outside.txt\n-c gone.txt\n',
      'requirements/base.txt': 'numpy\n-c limits.txt\n',
      'requirements/limits.txt': 'numpy<3\n-r ../requirements.txt\n',
    });
    expect(await readListedPackages(dir)).toMatchObject({
      file: 'requirements.txt',
      files: ['requirements.txt', 'requirements/base.txt', 'requirements/limits.txt'],
    });
  });

  it('come with a pyproject.toml only if that lists packages', async () => {
    const tools = await folderOf({'pyproject.toml': '[tool.ruff]\n'});
    expect(await readListedPackages(tools)).toBeNull();
    const project = await folderOf({'pyproject.toml': '[project]\ndependencies = []\n'});
    expect(await readListedPackages(project)).toMatchObject({
      file: 'pyproject.toml',
      files: ['pyproject.toml'],
    });
  });
});
