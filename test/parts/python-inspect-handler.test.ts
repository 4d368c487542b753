import {execFile} from 'node:child_process';
import {mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {afterAll, beforeAll, describe, expect, onTestFinished, test} from 'vitest';
import {runCommand} from '../../src/docker/command-line.ts';
import {inspectHandler, type HandlerInspection} from '../../src/python/inspect-handler.ts';
import {findPython, type Python} from '../../src/python/python.ts';
import {openBench, type Bench} from '../cli/thaw.ts';
import {HANDLERS} from '../fixtures/handlers/index.ts';

const programsDir = fileURLToPath(new URL('../../src/python/programs', import.meta.url));
const tools = {run: runCommand, signal: new AbortController().signal, programsDir};

let python: Python;
beforeAll(async () => {
  python = await findPython(null, {...tools, env: process.env});
});

/** Writes files into a new folder. */
async function folderOf(files: {readonly [path: string]: string}): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'thaw-handler-'));
  onTestFinished(() => rm(dir, {recursive: true, force: true}));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), {recursive: true});
    await writeFile(join(dir, path), text);
  }
  return dir;
}

/** Inspects `app.py`, or another, of some files. */
async function inspect(
  files: {readonly [path: string]: string},
  {file = 'app.py', name = null}: {file?: string; name?: string | null} = {},
): Promise<HandlerInspection> {
  return inspectHandler({root: await folderOf(files), file, name}, python, tools);
}

const SERVES = '\ndef predict(input, context):\n    return input\n';

describe('the handlers of the fixtures', () => {
  const found: {readonly [name: string]: object} = {
    tutorial: {event: 'http', requestKeys: ['features'], files: ['model.npz']},
    'direct-event': {event: 'direct', requestKeys: ['data'], files: ['coefficients.json']},
    'base64-image': {event: 'http', requestKeys: ['image'], files: ['model/colours.onnx']},
    batch: {event: 'http', requestKeys: ['instances'], files: ['model/linear.onnx']},
    async: {event: 'http', requestKeys: ['users']},
    'class-load': {event: null, requestKeys: ['instances'], folders: ['data']},
    'class-callable': {event: null, requestKeys: ['text'], files: ['topics.txt']},
    'numpy-outputs': {event: null, requestKeys: ['query']},
    package: {
      event: 'http',
      folders: ['data', 'scoring'],
      modules: [
        'app.py',
        ...['__init__', 'activations', 'http', 'pipeline', 'text', 'weights'].map(
          (name) => `scoring/${name}.py`,
        ),
      ],
    },
    context: {event: 'http', folders: ['vendored'], files: ['settings.json']},
    'declared-model': {event: null, requestKeys: ['rows']},
    'queue-events': {event: 'direct', requestKeys: ['Records'], files: ['scores.json']},
  };

  test.each(HANDLERS)('$name is read as it is meant', async ({name, dir, handler, requirements}) => {
    const [file = '', serving = null] = handler.split(':');
    const inspection = await inspectHandler({root: dir, file, name: serving}, python, tools);
    expect(inspection).toMatchObject(found[name] ?? {});
    if (serving !== null) expect(inspection.serving.name).toBe(serving);
    const names = inspection.packages.map((each) => each.name.toLowerCase());
    expect(names).toEqual(requirements.map((each) => each.toLowerCase()));
    expect(inspection.absent).toEqual([]);
    // None of it was run, nor compiled.
    expect((await readdir(dir)).filter((each) => each === '__pycache__')).toEqual([]);
  });
});

describe('what serves', () => {
  test.each([
    [
      'predict before lambda_handler',
      'def lambda_handler(event, c): ...\ndef predict(x): ...',
      'predict',
      'input',
    ],
    [
      'lambda_handler before handler',
      'handler = 1\nasync def lambda_handler(event, c): ...',
      'lambda_handler',
      'event',
    ],
    ['what other code made', 'from mangum import Mangum\nhandler = Mangum(app)', 'handler', 'event'],
    ['a function under a condition', 'if True:\n    def handler(e, c): ...', 'handler', 'event'],
    ['the one class', 'class A:\n    def predict(self, x): ...\nclass B: ...', 'A', 'input'],
  ])('is %s', async (_, code, name, takes) => {
    expect((await inspect({'app.py': code})).serving).toMatchObject({name, takes});
  });

  test('is what is named, which takes an event if it calls it so', async () => {
    const files = {'app.py': 'def main(event, context): ...\ndef score(x): ...\ndef predict(x): ...'};
    expect((await inspect(files, {name: 'main'})).serving).toMatchObject({
      name: 'main',
      takes: 'event',
      line: 1,
    });
    expect((await inspect(files, {name: 'score'})).serving).toMatchObject({takes: 'input'});
  });

  test.each([
    ['none', 'def main(event): ...\nclass Net: ...', null, ['main', 'Net']],
    ['several', 'class A:\n    def predict(self): ...\nclass B(A): ...', null, ['A', 'B']],
    ['name-missing', 'def main(event): ...', 'mian', ['main']],
  ])('may be %s', async (reason, code, name, known) => {
    await expect(inspect({'app.py': code}, {name})).rejects.toMatchObject({
      code: 'HANDLER_INVALID',
      facts: {reason, file: 'app.py', known},
    });
  });
});

describe('a file that is no Python', () => {
  test('is told with line and column, also in a module that is imported', async () => {
    await expect(inspect({'app.py': 'import lib', 'lib.py': 'x = 1\ndef f(: pass'})).rejects.toMatchObject({
      code: 'HANDLER_INVALID',
      message: expect.stringMatching(/^lib\.py:2:\d+ is no Python 3\.\d+: /) as string,
      facts: {reason: 'syntax', file: 'lib.py', line: 2, text: 'def f(: pass'},
    });
  });

  test.each([
    ['bytes of anything', '\0\u0001\u0002'],
    ['a deep pit', `x = ${'('.repeat(5000)}${')'.repeat(5000)}`],
  ])('may be %s', async (_, code) => {
    await expect(inspect({'app.py': code})).rejects.toMatchObject({
      code: 'HANDLER_INVALID',
      facts: {reason: expect.stringMatching(/syntax|unreadable/) as string},
    });
  });
});

describe('imports', () => {
  const packagesOf = async (code: string, more: {readonly [path: string]: string} = {}) =>
    (await inspect({'app.py': code + SERVES, ...more})).packages.map(({name}) => name);

  test('of the standard library and of what is never served are no packages', async () => {
    const code = [
      'from __future__ import annotations',
      'import os.path, json as j',
      'from typing import TYPE_CHECKING',
      'if TYPE_CHECKING:',
      '    import surely_missing_types',
      'if __name__ == "__main__":',
      '    import surely_missing_plots',
    ];
    expect(await packagesOf(code.join('\n'))).toEqual([]);
  });

  test('are packages by the names that they are installed by', async () => {
    const code =
      'import cv2_missing, surely.missing\nfrom google.cloud import spanner_missing\nimport azure.missing.x';
    expect(await packagesOf(code)).toEqual([
      'azure-missing',
      'cv2_missing',
      'google-cloud-spanner-missing',
      'surely',
    ]);
  });

  test('in functions count, those that are tried are optional', async () => {
    const code = [
      'try:',
      '    import surely_faster as json',
      'except ImportError:',
      '    import json',
      'def load():',
      '    try:',
      '        import surely_needed',
      '        return surely_needed.load()',
      '    except Exception:',
      '        raise',
    ];
    const {packages} = await inspect({'app.py': code.join('\n') + SERVES});
    expect(packages.map(({name, optional, line}) => [name, optional, line])).toEqual([
      ['surely_faster', true, 2],
      ['surely_needed', false, 7],
    ]);
  });

  test('lead to the project’s own modules first, one by another, and to none twice', async () => {
    const {modules, folders, packages} = await inspect({
      'app.py': `import queue, one\nfrom pkg.sub import two\nfrom pkg import three\nimport space.four${SERVES}`,
      'queue.py': 'import one',
      'one.py': 'import app, importlib\nimportlib.import_module("named")',
      'named.py': '',
      'pkg/__init__.py': 'from . import three',
      'pkg/sub/__init__.py': 'from ..five import x',
      'pkg/sub/two.py': 'import surely_missing',
      'pkg/three.py': '',
      'pkg/five.py': '',
      'pkg/data.bin': '',
      'space/four.py': '',
      'unused.py': '',
    });
    expect(modules).toEqual([
      'app.py',
      'named.py',
      'one.py',
      'pkg/__init__.py',
      'pkg/five.py',
      'pkg/sub/__init__.py',
      'pkg/sub/two.py',
      'pkg/three.py',
      'queue.py',
      'space/four.py',
    ]);
    expect(folders).toEqual(['pkg', 'space']);
    expect(packages.map(({name, file}) => [name, file])).toEqual([['surely_missing', 'pkg/sub/two.py']]);
  });

  test('do not take a folder of files for the package of its name', async () => {
    const {packages, folders} = await inspect({
      'app.py': `import onnxruntime, torch${SERVES}`,
      'onnxruntime/net.onnx': '',
      'torch/net/net.py': '',
    });
    expect(packages.map(({name}) => name)).toEqual(['onnxruntime', 'torch']);
    expect(folders).toEqual([]);
  });

  test('from beside a file in a folder are refused, since they will not be found there', async () => {
    const files = {'src/app.py': `import near${SERVES}`, 'src/near.py': ''};
    await expect(inspect(files, {file: 'src/app.py'})).rejects.toMatchObject({
      facts: {reason: 'nested', folder: 'src'},
    });
    const whole = {'src/app.py': `import src.near, far${SERVES}`, 'src/near.py': '', 'far.py': ''};
    expect((await inspect(whole, {file: 'src/app.py'})).modules).toEqual([
      'far.py',
      'src/app.py',
      'src/near.py',
    ]);
  });

  test('of what is installed are pinned, whatever it is called, but for builds that no index has', async () => {
    const site = await folderOf({
      'made_up-1.2.3+local.dist-info/METADATA':
        'Metadata-Version: 2.1\nName: Made-Up\nVersion: 1.2.3+local\n',
      'made_up-1.2.3+local.dist-info/RECORD': 'unlike/__init__.py,,\n',
      'built-2.0a0.dist-info/METADATA': 'Metadata-Version: 2.1\nName: built\nVersion: 2.0a0\n',
      'built-2.0a0.dist-info/top_level.txt': 'built\n',
      'opencv_python-4.9.0.dist-info/METADATA':
        'Metadata-Version: 2.1\nName: opencv-python\nVersion: 4.9.0\n',
      'opencv_python-4.9.0.dist-info/top_level.txt': 'cv2\n',
    });
    const root = await folderOf({'app.py': `import unlike, built, cv2${SERVES}`});
    const run: typeof runCommand = (program, args, options) =>
      runCommand(program, args, {...options, env: {...options.env, PYTHONPATH: site}});
    const {packages} = await inspectHandler({root, file: 'app.py', name: null}, python, {...tools, run});
    expect(packages.map(({name, version, source}) => [name, version, source])).toEqual([
      ['built', null, 'installed'],
      ['Made-Up', '1.2.3', 'installed'],
      ['opencv-python-headless', '4.9.0', 'installed'],
    ]);
  });
});

describe('files', () => {
  test('are those that texts name, but for hidden ones and those elsewhere', async () => {
    const code = [
      'import os',
      'A = open("labels.txt")',
      'B = os.path.join(os.path.dirname(__file__), "weights", "net.bin")',
      'C = "./data/words.json"',
      'D = ".env", "../secret.txt", "/etc/hostname", "", ".", "weights/../../up"',
      'E = "models/missing.pt", "http://example.com/other.onnx", ".pt"',
    ];
    const inspection = await inspect({
      'app.py': code.join('\n') + SERVES,
      'labels.txt': '',
      'weights/net.bin': '',
      'data/words.json': '',
      'data/more.json': '',
      '.env': 'SECRET=1',
    });
    expect(inspection.files).toEqual(['data/words.json', 'labels.txt']);
    expect(inspection.folders).toEqual(['weights']);
    expect(inspection.absent).toEqual([{path: 'models/missing.pt', file: 'app.py', line: 6}]);
  });
});

describe('thaw init --handler', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await openBench();
  });
  afterAll(() => bench.leave());

  test('makes a project of each handler, in which it is the same file', async () => {
    for (const {name, dir, handler} of HANDLERS) {
      const made = await bench.thaw(['init', name, '--handler', join(dir, handler)]);
      expect(made, made.stderr).toMatchObject({code: 0});
      const [file = ''] = handler.split(':');
      expect(await readFile(join(bench.dir, name, file))).toEqual(await readFile(join(dir, file)));
    }
  });

  test('copies all that the handler needs to run', async () => {
    for (const name of ['package', 'context', 'direct-event', 'class-callable']) {
      const {handler} = HANDLERS.find((each) => each.name === name)!;
      const [file = ''] = handler.split(':');
      const program = `import importlib; importlib.import_module(${JSON.stringify(file.slice(0, -3))})`;
      const cwd = join(bench.dir, name);
      await promisify(execFile)(python.command, ['-c', program], {
        cwd,
        env: {...process.env, LAMBDA_TASK_ROOT: cwd, PYTHONDONTWRITEBYTECODE: '1'},
      });
    }
  });

  test('writes only what is missing where the handler lies already', async () => {
    const dir = join(bench.dir, 'own');
    await mkdir(dir);
    await writeFile(join(dir, 'app.py'), `import numpy${SERVES}`);
    await writeFile(join(dir, 'README.md'), 'mine');
    const made = await bench.thaw(['init', '--handler', 'app.py', '--json'], {cwd: 'own'});
    expect(JSON.parse(made.stdout)).toMatchObject({
      serving: {name: 'predict', event: null},
      written: ['thaw.yaml', 'requirements.txt', 'samples/request.json', '.gitignore'],
      kept: ['README.md'],
    });
    expect(await readFile(join(dir, 'README.md'), 'utf8')).toBe('mine');

    await writeFile(join(dir, 'thaw.yaml'), 'name: mine\n');
    const again = await bench.thaw(['init', '--handler', 'app.py'], {cwd: 'own'});
    expect(again.code).toBe(2);
    expect(again.stderr).toContain('thaw.yaml already exists');
  });

  test.each([
    ['gone.py', 'there is no file'],
    ['handler.mjs', 'is no Python file'],
    ['bad.py', 'bad.py:1:'],
    ['none.py', 'It has: main. Name the one that serves, such as none.py:main'],
  ])('refuses %s and says why', async (file, says) => {
    await writeFile(join(bench.dir, 'bad.py'), 'def f(: pass');
    await writeFile(join(bench.dir, 'none.py'), 'def main(): ...');
    const {code, stderr} = await bench.thaw(['init', 'refused', '--handler', file]);
    expect(code).toBe(3);
    expect(stderr).toContain(says);
  });
});
