import {readFile} from 'node:fs/promises';
import type {Digest} from '../core/digest.ts';
import type {Image, LayerRole} from '../core/image.ts';
import type {PackagePin} from '../core/ports.ts';
import type {BaseContents, SystemPackage} from './base/contents.ts';
import type {BundledPackage} from './bundled-packages.ts';

/** What is known of an image's contents. */
export interface SbomInput {
  readonly image: Image;
  readonly thawVersion: string;
  readonly base: BaseContents;
  readonly code: CodeContents;
  /** The model's files, relative to the model folder of the image. */
  readonly model: readonly {readonly path: string; readonly digest: Digest}[];
}

/** What the handler is, and what it runs on. */
export type CodeContents =
  | {
      readonly language: 'javascript';
      readonly node: PackagePin;
      readonly onnxruntime: PackagePin;
      readonly packages: readonly BundledPackage[];
    }
  | {
      readonly language: 'python';
      /** Null if it is in the base, and so among the base's packages. */
      readonly interpreter: PythonInterpreter | null;
      readonly packages: readonly PythonPackage[];
    };

/** The Python that an image brings along. */
export interface PythonInterpreter {
  readonly version: string;
  /** Where it is from, with its digest; null for the machine's own. */
  readonly download: {readonly url: string; readonly digest: Digest} | null;
}

/** An installed distribution. */
export interface PythonPackage {
  readonly name: string;
  readonly version: string;
  readonly license: string | null;
}

/** The parts of a CycloneDX component that thaw writes. */
interface Component {
  readonly type: 'container' | 'library' | 'application' | 'platform' | 'file' | 'machine-learning-model';
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version?: string;
  readonly purl?: string;
  readonly hashes?: readonly {readonly alg: 'SHA-256' | 'SHA-512'; readonly content: string}[];
  readonly licenses?: readonly object[];
  readonly components?: readonly Component[];
  readonly properties?: readonly {readonly name: string; readonly value: string}[];
}

/** A software bill of materials as CycloneDX defines it. */
export interface Sbom {
  readonly bomFormat: 'CycloneDX';
  readonly specVersion: '1.6';
  readonly serialNumber: string;
  readonly version: 1;
  readonly metadata: object;
  readonly components: readonly Component[];
  readonly dependencies: readonly object[];
}

const LAYER = 'thaw:layer';
const BUNDLED_BYTES = 'thaw:bundledBytes';

/**
 * Renders what is in an image as a CycloneDX 1.6 document. It follows from the contents alone: no time is in it, and
 * its serial number is derived from the image's digest.
 */
export function renderSbom(input: SbomInput): Sbom {
  const {image, thawVersion} = input;
  const components = [
    ...baseComponents(input),
    ...runtimeComponents(input.code),
    {type: 'application', 'bom-ref': 'thaw', name: 'thaw', version: thawVersion, ...inLayer('runtime')},
    ...input.model.map(modelComponent),
    ...packageComponents(input.code),
  ] satisfies readonly Component[];
  const subject: Component = {
    type: 'container',
    'bom-ref': 'image',
    name: image.function,
    version: image.digest,
    purl: `pkg:oci/${image.function}@${encodeURIComponent(image.digest)}?arch=${image.platform.split('/')[1]}`,
    hashes: [sha256(image.digest)],
  };
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: serialOf(image.digest),
    version: 1,
    metadata: {
      tools: {components: [{type: 'application', name: 'thaw', version: thawVersion}]},
      component: subject,
    },
    components,
    dependencies: [
      {ref: 'image', dependsOn: components.map((component) => component['bom-ref'])},
      ...components.map((component) => ({ref: component['bom-ref'], dependsOn: []})),
    ],
  };
}

/** The system's packages with their files, and the files that no package manager knows by themselves. */
function baseComponents({base, image}: SbomInput): readonly Component[] {
  const packages = new Map<string, Component>();
  const strangers: Component[] = [];
  for (const {soname, digest, package: found} of base.libraries) {
    const file: Component = {
      type: 'file',
      'bom-ref': `base/${soname}`,
      name: soname,
      // The one version that is read out of the library itself.
      ...(soname === 'libc.so.6' ? {version: base.glibc} : {}),
      hashes: [sha256(digest)],
      ...inLayer('base'),
    };
    if (found === null) {
      strangers.push(file);
      continue;
    }
    const purl = systemPurl(found, base.distribution, image.platform);
    const files = [...(packages.get(purl)?.components ?? []), file];
    packages.set(purl, {...packageComponent(found, purl), components: files});
  }
  for (const found of base.packages) {
    const purl = systemPurl(found, base.distribution, image.platform);
    if (!packages.has(purl)) packages.set(purl, packageComponent(found, purl));
  }
  return [...packages.values(), ...strangers];
}

function packageComponent({name, version}: SystemPackage, purl: string): Component {
  return {type: 'library', 'bom-ref': purl, name, version, purl, ...inLayer('base')};
}

function systemPurl(
  {manager, name, version, architecture}: SystemPackage,
  distribution: string | null,
  platform: string,
): string {
  const [, arch = ''] = platform.split('/');
  const own = manager === 'deb' ? arch : ({amd64: 'x86_64', arm64: 'aarch64'}[arch] ?? arch);
  const named = architecture ?? own;
  const namespace = distribution === null ? '' : `${distribution}/`;
  return `pkg:${manager}/${namespace}${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${named}`;
}

function runtimeComponents(code: CodeContents): readonly Component[] {
  if (code.language === 'javascript') {
    return [
      npmComponent(code.node, 'platform', 'runtime'),
      npmComponent(code.onnxruntime, 'library', 'runtime'),
    ];
  }
  if (code.interpreter === null) return [];
  const {version, download} = code.interpreter;
  const interpreter: Component = {
    type: 'platform',
    'bom-ref': 'python',
    name: 'cpython',
    version,
    ...(download === null
      ? {}
      : {
          purl: `pkg:generic/cpython@${version}?download_url=${encodeURIComponent(download.url)}`,
          hashes: [sha256(download.digest)],
        }),
    licenses: [licenseOf('PSF-2.0')],
    ...inLayer('interpreter'),
  };
  return [interpreter];
}

const packageComponents = (code: CodeContents): readonly Component[] =>
  code.language === 'javascript' ? code.packages.map(handlerComponent) : code.packages.map(pythonComponent);

function pythonComponent({name, version, license}: PythonPackage): Component {
  const purl = `pkg:pypi/${name.toLowerCase().replaceAll('_', '-')}@${encodeURIComponent(version)}`;
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    version,
    purl,
    ...(license === null ? {} : {licenses: [licenseOf(license)]}),
    ...inLayer('packages'),
  };
}

/** A pinned package: its hash is the one of the archive that it came in. */
function npmComponent(
  {name, version, integrity}: PackagePin,
  type: Component['type'],
  role: LayerRole,
): Component {
  const content = Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex');
  const purl = npmPurl(name, version);
  return {type, 'bom-ref': purl, name, version, purl, hashes: [{alg: 'SHA-512', content}], ...inLayer(role)};
}

function modelComponent({path, digest}: SbomInput['model'][number], index: number): Component {
  return {
    // What follows the model itself is its external data.
    type: index === 0 ? 'machine-learning-model' : 'file',
    'bom-ref': `model/${path}`,
    name: path,
    hashes: [sha256(digest)],
    ...inLayer('model'),
  };
}

function handlerComponent({name, version, license, bytes}: BundledPackage): Component {
  const purl = npmPurl(name, version);
  return {
    type: 'library',
    'bom-ref': `handler/${purl}`,
    name,
    ...(version === null ? {} : {version}),
    purl,
    ...(license === null ? {} : {licenses: [licenseOf(license)]}),
    properties: [
      {name: LAYER, value: 'handler'},
      {name: BUNDLED_BYTES, value: String(bytes)},
    ],
  };
}

function npmPurl(name: string, version: string | null): string {
  const path = name.split('/').map(encodeURIComponent).join('/');
  return `pkg:npm/${path}${version === null ? '' : `@${encodeURIComponent(version)}`}`;
}

/** package.json may also say `SEE LICENSE IN file`, which is no expression of SPDX. */
function licenseOf(license: string): object {
  const id = String.raw`\(*[A-Za-z0-9][A-Za-z0-9.+:-]*\)*`;
  const isExpression = new RegExp(`^${id}( (AND|OR|WITH) ${id})*$`).test(license);
  return isExpression && license !== 'UNLICENSED' ? {expression: license} : {license: {name: license}};
}

const inLayer = (role: LayerRole): Pick<Component, 'properties'> => ({
  properties: [{name: LAYER, value: role}],
});

const sha256 = (digest: Digest) => ({alg: 'SHA-256', content: digest.slice('sha256:'.length)}) as const;

/** A UUID of version 8, which is for such own purposes. */
function serialOf(digest: Digest): string {
  const hex = digest.slice('sha256:'.length);
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ];
  return `urn:uuid:${parts.join('-')}`;
}

/**
 * The packages in an image's handler as its bill of materials lists them, the largest first; none if the file is not
 * there or belongs to another image.
 */
export async function readHandlerPackages(
  sbomFile: string,
  image: Digest,
): Promise<readonly Pick<BundledPackage, 'name' | 'version' | 'bytes'>[]> {
  try {
    const sbom = JSON.parse(await readFile(sbomFile, 'utf8')) as Sbom;
    if (sbom.serialNumber !== serialOf(image)) return [];
    return sbom.components
      .flatMap(({name, version = null, properties = []}) => {
        const bytes = properties.find((property) => property.name === BUNDLED_BYTES)?.value;
        return bytes === undefined ? [] : [{name, version, bytes: Number(bytes)}];
      })
      .sort((a, b) => b.bytes - a.bytes);
  } catch {
    return [];
  }
}
