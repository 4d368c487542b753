import {symlink, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {describe, expect, test} from 'vitest';
import {bundleHandler} from '../../../src/image/handler.ts';
import {failureOf, never, scratch, writeTree} from './fixture.ts';

const PREDICT = 'export async function predict(input) { return input; }\n';

async function project(files: {readonly [path: string]: string}): Promise<string> {
  const folder = await scratch();
  await writeTree(folder, files);
  return folder;
}

const bundle = async (files: {readonly [path: string]: string}, handler = 'handler.mjs') =>
  bundleHandler(await project(files), handler, never);

const refused = async (files: {readonly [path: string]: string}, handler = 'handler.mjs') => {
  const error = await failureOf(bundle(files, handler));
  expect(error.code).toBe('HANDLER_INVALID');
  return error;
};

/** Runs a bundle as the server would. */
async function predictWith(code: Uint8Array, input: unknown): Promise<unknown> {
  const file = join(await scratch(), 'handler.mjs');
  await writeFile(file, code);
  const module = (await import(pathToFileURL(file).href)) as {predict(input: unknown): Promise<unknown>};
  return module.predict(input);
}

describe('a handler', () => {
  test('is bundled with what it imports, and says which files those are', async () => {
    const {code, inputs} = await bundle({
      'handler.mjs':
        "import {twice} from './lib/twice.mjs';\nexport const predict = async (x) => twice(x);\n",
      'lib/twice.mjs': 'export const twice = (x) => x * 2;\n',
      'unused.mjs': 'throw new Error();\n',
    });
    expect(await predictWith(code, 21)).toBe(42);
    expect(inputs).toEqual(['handler.mjs', 'lib/twice.mjs']);
  });

  test('may be TypeScript', async () => {
    const {code} = await bundle(
      {'src/handler.ts': 'export async function predict(x: number): Promise<number> { return x + 1; }\n'},
      'src/handler.ts',
    );
    expect(await predictWith(code, 1)).toBe(2);
  });

  test('may use CommonJS packages, Node’s own modules, and names of its own that CommonJS has too', async () => {
    const {code} = await bundle({
      'handler.mjs': `
        import {createRequire} from 'node:module';
        import old from 'old';
        const require = createRequire(import.meta.url);
        const __filename = 'mine';
        export const predict = async () => [old, __filename, require('node:path').sep];`,
      'node_modules/old/package.json': '{"name":"old","version":"1.0.0"}',
      'node_modules/old/index.js':
        "const fs = require('fs'); module.exports = [typeof fs.readFileSync, typeof __dirname, typeof __filename];",
    });
    const [old, mine] = (await predictWith(code, null)) as unknown[];
    expect(old).toEqual(['function', 'string', 'string']);
    expect(mine).toBe('mine');
  });

  test('of its own require, without any CommonJS package, is left as it is', async () => {
    const {code} = await bundle({
      'handler.mjs': `
        import {createRequire} from 'node:module';
        const require = createRequire(import.meta.url);
        export const predict = async () => typeof require('node:os').EOL;`,
    });
    expect(await predictWith(code, null)).toBe('string');
  });

  test('becomes the same bytes in every folder, and names none', async () => {
    const files = {
      'handler.mjs': `import old from 'old';\nimport data from './data.json';\n${PREDICT}console.log(old, data);\n`,
      'data.json': '{"a": 1}',
      'node_modules/old/index.js': 'module.exports = __dirname;',
    };
    const [one, two] = [await project(files), await project(files)];
    const first = await bundleHandler(one, 'handler.mjs', never);
    expect(Buffer.from(first.code).toString()).not.toContain(one);
    expect(await bundleHandler(two, 'handler.mjs', never)).toEqual(first);
    if (process.platform === 'win32') return;
    const link = join(await scratch(), 'link');
    await symlink(one, link);
    expect(await bundleHandler(link, 'handler.mjs', never)).toEqual(first);
  });

  test('without predict is refused, saying what it does export', async () => {
    const error = await refused({'handler.mjs': 'export const predicts = 1;\nexport default 2;\n'});
    expect(error.message).toBe('handler.mjs does not export predict; it exports default, predicts');
    expect(error.facts).toEqual({
      file: 'handler.mjs',
      missing: 'predict',
      exports: ['default', 'predicts'],
    });
    expect((await refused({'handler.mjs': 'console.log(1);\n'})).message).toContain('it exports nothing');
  });

  test('in CommonJS is refused, for it exports no predict', async () => {
    const error = await refused({'handler.js': 'module.exports = {predict() {}};\n'}, 'handler.js');
    expect(error.facts).toMatchObject({missing: 'predict', exports: ['default']});
  });

  test('that does not exist, is Python or something else is refused', async () => {
    expect((await refused({})).message).toBe('handler.mjs does not exist');
    expect((await refused({'handler.py': ''}, 'handler.py')).message).toContain('not supported yet');
    expect((await refused({'handler.rb': ''}, 'handler.rb')).message).toContain('neither JavaScript nor');
  });

  test('with a mistake is refused with file, line and column', async () => {
    const error = await refused({'handler.mjs': `${PREDICT}const x = ;\n`});
    expect(error.message).toBe('handler.mjs:2:11: Unexpected ";"');
    expect(error.facts).toMatchObject({file: 'handler.mjs', line: 2, column: 11});
  });

  test('with imports that cannot be found is refused with all of them', async () => {
    const error = await refused({
      'handler.mjs': `import './lib.mjs';\n${PREDICT}`,
      'lib.mjs': "import 'lodash-of-nowhere';\nimport './gone.mjs';\n",
    });
    expect(error.message).toBe('lib.mjs:1:8: Could not resolve "lodash-of-nowhere" (and 1 more)');
    expect(error.facts.mistakes).toHaveLength(2);
  });

  test('does not start once it is interrupted', async () => {
    const folder = await project({'handler.mjs': PREDICT});
    expect(await failureOf(bundleHandler(folder, 'handler.mjs', AbortSignal.abort()))).toMatchObject({
      code: 'INTERRUPTED',
    });
  });
});

describe('a native addon in a handler', () => {
  const handler = `import addon from 'fast-thing';\n${PREDICT}console.log(addon);\n`;

  test('is named with its package when a package loads its file', async () => {
    const error = await refused({
      'handler.mjs': handler,
      'node_modules/fast-thing/index.js': "module.exports = require('./build/Release/fast.node');",
      'node_modules/fast-thing/build/Release/fast.node': '\x7fELF',
    });
    expect(error.facts).toEqual({
      file: 'handler.mjs',
      addon: 'node_modules/fast-thing/build/Release/fast.node',
      package: 'fast-thing',
    });
    expect(error.message).toContain(
      'package fast-thing loads node_modules/fast-thing/build/Release/fast.node',
    );
  });

  test('is named when the file is chosen by platform', async () => {
    const error = await refused({
      'handler.mjs': "import addon from '@scope/fast';\nexport const predict = async () => addon;\n",
      'node_modules/@scope/fast/index.js': 'module.exports = require(`./bin/${process.platform}/fast.node`);',
      'node_modules/@scope/fast/bin/linux/fast.node': '\x7fELF',
    });
    expect(error.facts).toMatchObject({
      package: '@scope/fast',
      addon: 'node_modules/@scope/fast/bin/linux/fast.node',
    });
  });

  test.each(['bindings', 'node-gyp-build', '@mapbox/node-pre-gyp'])('is found behind %s', async (loader) => {
    const error = await refused({
      'handler.mjs': handler,
      'node_modules/fast-thing/index.js': `module.exports = require('${loader}')(__dirname);`,
      [`node_modules/${loader}/index.js`]: 'module.exports = () => ({});',
    });
    expect(error.facts).toMatchObject({package: 'fast-thing', addon: `found by ${loader}`});
  });

  test.each(['binding.gyp', 'prebuilds/linux-x64/fast.bin'])(
    'is suspected where a package has %s',
    async (sign) => {
      const error = await refused({
        'handler.mjs': handler,
        'node_modules/fast-thing/lib/index.js':
          "const {join} = require('path'); module.exports = require(join(__dirname, process.platform));",
        'node_modules/fast-thing/package.json': '{"name":"fast-thing","main":"lib/index.js"}',
        [`node_modules/fast-thing/${sign}`]: '',
      });
      expect(error.facts).toMatchObject({package: 'fast-thing'});
    },
  );

  test('of the project itself is named too', async () => {
    const error = await refused({
      'handler.mjs': `import './mine.node';\n${PREDICT}`,
      'mine.node': '\x7fELF',
    });
    expect(error.facts).toMatchObject({package: null, addon: 'mine.node'});
  });

  test.skipIf(process.platform === 'win32')('is named relative to a project behind a link', async () => {
    const link = join(await scratch(), 'link');
    await symlink(await project({'handler.mjs': `import './mine.node';\n${PREDICT}`, 'mine.node': ''}), link);
    const error = await failureOf(bundleHandler(link, 'handler.mjs', never));
    expect(error.facts).toMatchObject({addon: 'mine.node'});
  });

  test('that a package can do without, and that is not installed, does no harm', async () => {
    const {code} = await bundle({
      'handler.mjs': "import addon from 'fast-thing';\nexport const predict = async () => addon;\n",
      'node_modules/fast-thing/index.js':
        "let fast; try { fast = require('./build/fast.node'); } catch { fast = 'slow'; }\nmodule.exports = fast;",
    });
    expect(await predictWith(code, null)).toBe('slow');
  });
});
