import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {withoutCredentials} from './credentials.ts';
import type {Ended, Installer, RunInstaller} from './installer.ts';
import {normalizedName} from './requirement-lines.ts';

/** A package that was chosen. */
export interface Resolved {
  readonly name: string;
  readonly version: string;
  /** The address of a wheel that is asked for by it; null for one of an index. */
  readonly url: string | null;
  /** Such as `sha256:…`. */
  readonly hashes: readonly string[];
  /** Whether it was asked for itself. */
  readonly requested: boolean;
  /** The packages that need it. */
  readonly neededBy: readonly string[];
}

/** What is to be resolved. Addresses in it may have credentials. */
export interface Wanted {
  readonly options: readonly string[];
  readonly packages: readonly string[];
  readonly constraints: readonly string[];
}

/** Packages that fit together, or what pip or uv said instead. */
export type Resolution =
  {readonly packages: readonly Resolved[]; readonly failure: null} | {readonly failure: Ended};

/**
 * Lets uv or pip choose packages.
 *
 * @param cwd the folder that relative paths in options are meant from
 */
export async function resolvePackages(
  wanted: Wanted,
  installer: Installer,
  runInstaller: RunInstaller,
  cwd: string,
): Promise<Resolution> {
  return inSecret(async (dir) => {
    const files = {requirements: join(dir, 'requirements.txt'), constraints: join(dir, 'constraints.txt')};
    const {lines, flags} =
      installer.kind === 'uv' ? forUv(wanted.options) : {lines: wanted.options, flags: []};
    await write(files.requirements, [...lines, ...wanted.packages]);
    await write(files.constraints, wanted.constraints);
    const resolve = installer.kind === 'uv' ? resolveWithUv : resolveWithPip;
    return resolve(files, flags, runInstaller, cwd, dir);
  });
}

/** A folder for files with credentials: nobody else may read it, and it does not outlive its use. */
export async function inSecret<T>(use: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'thaw-packages-'));
  try {
    return await use(dir);
  } finally {
    await rm(dir, {recursive: true, force: true, maxRetries: 3});
  }
}

/** Writes lines into a file that only its owner may read. */
export async function write(file: string, lines: readonly string[]): Promise<void> {
  await writeFile(file, lines.map((line) => `${line}\n`).join(''), {mode: 0o600});
}

/** Of pip's options uv takes some on its command line only. */
export function forUv(options: readonly string[]): {lines: readonly string[]; flags: readonly string[]} {
  const flags = options.flatMap((option) => {
    const [name, value = ''] = option.split(' ');
    if (name === '--pre') return ['--prerelease', 'allow'];
    return name === '--trusted-host' ? ['--allow-insecure-host', value] : [];
  });
  return {lines: options.filter((option) => !/^--(?:pre|trusted-host)\b/.test(option)), flags};
}

interface Files {
  readonly requirements: string;
  readonly constraints: string;
}

async function resolveWithUv(
  {requirements, constraints}: Files,
  flags: readonly string[],
  runInstaller: RunInstaller,
  cwd: string,
): Promise<Resolution> {
  const args = ['pip', 'compile', requirements, '--constraint', constraints, '--generate-hashes'];
  const shape = ['--no-header', '--annotation-style', 'split', '--quiet', ...flags];
  const ended = await runInstaller([...args, ...shape], cwd);
  return ended.ok ? {packages: parseCompiled(ended.stdout), failure: null} : {failure: ended};
}

const PINNED = /^(?<name>[A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?(?:==(?<version>[^\s;\\]+)| @ (?<url>\S+))/;

/** Reads what `uv pip compile` prints: requirements with their hashes, and in comments why they are there. */
export function parseCompiled(text: string): readonly Resolved[] {
  const packages: (Resolved & {hashes: string[]; neededBy: string[]; requested: boolean})[] = [];
  for (const line of text.split(/\r?\n/)) {
    const {name, version, url} = PINNED.exec(line)?.groups ?? {};
    const last = packages.at(-1);
    if (name !== undefined) {
      packages.push({
        name: normalizedName(name),
        version: version ?? versionOfWheel(url ?? ''),
        url: url === undefined || url.startsWith('file:') ? null : withoutCredentials(url),
        hashes: [],
        requested: false,
        neededBy: [],
      });
    } else if (last !== undefined) {
      const hash = /--hash=(\S+)/.exec(line)?.[1];
      if (hash !== undefined) last.hashes.push(hash);
      const via = /^\s+#\s+(?:via\s+)?(?<by>\S.*)$/.exec(line)?.groups?.['by'];
      if (via === undefined || via === 'via' || via.startsWith('-c ')) continue;
      if (via.startsWith('-r ')) last.requested = true;
      else last.neededBy.push(normalizedName(via.split(/[\s(]/)[0]!));
    }
  }
  return packages;
}

/** The version in a wheel's name. */
const versionOfWheel = (url: string): string =>
  decodeURIComponent(url.split(/[#?]/)[0]!.split('/').at(-1)!).split('-')[1] ?? '';

/** What pip reports of a package that it would install. */
interface ReportItem {
  readonly metadata: {
    readonly name: string;
    readonly version: string;
    readonly requires_dist?: readonly string[];
  };
  readonly download_info: {
    readonly url: string;
    readonly archive_info?: {readonly hash?: string; readonly hashes?: {readonly [name: string]: string}};
  };
  readonly is_direct: boolean;
  readonly requested: boolean;
}

async function resolveWithPip(
  {requirements, constraints}: Files,
  _flags: readonly string[],
  runInstaller: RunInstaller,
  cwd: string,
  dir: string,
): Promise<Resolution> {
  const report = join(dir, 'report.json');
  const args = [
    'install',
    '--dry-run',
    '--ignore-installed',
    '--target',
    join(dir, 'nowhere'),
    '--report',
    report,
  ];
  const ended = await runInstaller([...args, '-r', requirements, '-c', constraints], cwd);
  if (!ended.ok) return {failure: ended};
  return {packages: parseReport(await readFile(report, 'utf8')), failure: null};
}

/** Reads what `pip install --report` writes. */
export function parseReport(text: string): readonly Resolved[] {
  const {install} = JSON.parse(text) as {install: readonly ReportItem[]};
  return install.map(({metadata, download_info: {url, archive_info: archive}, is_direct, requested}) => {
    const name = normalizedName(metadata.name);
    const hashes = Object.entries(archive?.hashes ?? {}).map(([kind, value]) => `${kind}:${value}`);
    const needs = (item: ReportItem): boolean =>
      (item.metadata.requires_dist ?? []).some(
        (need) => normalizedName(/^[\w.-]+/.exec(need)?.[0] ?? '') === name,
      );
    return {
      name,
      version: metadata.version,
      url: is_direct && !url.startsWith('file:') ? withoutCredentials(url) : null,
      hashes: hashes.length > 0 ? hashes : [(archive?.hash ?? '').replace('=', ':')],
      requested,
      neededBy: install.filter(needs).map((item) => normalizedName(item.metadata.name)),
    };
  });
}
