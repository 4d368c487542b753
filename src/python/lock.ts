import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {digestOfJson, type Digest} from '../core/digest.ts';
import {writeWhole} from '../core/disk.ts';
import {ThawError} from '../core/errors.ts';
import type {Platform} from '../core/image.ts';
import {createCleaner} from './credentials.ts';
import {explainFailure, missingOf} from './failure.ts';
import {createPip, createUv, findInstaller, type Ended, type Installer} from './installer.ts';
import {isAtLeast} from './python.ts';
import {asConstraint, normalizedName} from './requirement-lines.ts';
import type {Requirements} from './requirements.ts';
import {inSecret, resolvePackages, write, type Resolved, type Wanted} from './resolve.ts';
import type {LockTarget} from './target.ts';
import type {Tools} from './tools.ts';

/** The packages of a function, chosen for one target and held to their hashes. */
export interface Lock {
  readonly file: string;
  /** As pip takes it. */
  readonly text: string;
  readonly target: LockTarget;
  readonly packages: readonly {readonly name: string; readonly version: string}[];
  /** What is not installed for the base has it, and what nothing else needs. */
  readonly leftOut: readonly string[];
  /** Whether it was there, so that nobody was asked. */
  readonly remembered: boolean;
}

export interface LockRequest {
  /** The lock is written here, to be kept with the sources. */
  readonly projectDir: string;
  readonly requirements: Requirements | null;
  /** What is needed beside them, unless they or the base have it: `onnxruntime==1.30.0`. */
  readonly additions: readonly string[];
  /** Names of packages that the base has. */
  readonly provided: readonly string[];
  readonly target: LockTarget;
}

/** What a target's lock is called: `requirements-linux-amd64-py3.11.lock`. */
export const lockFileName = ({platform, version}: LockTarget): string =>
  `requirements-${platform.replace('/', '-')}-py${version}.lock`;

/**
 * Chooses the packages of a function for a target: wheels alone, and never this machine's. What has not changed since it
 * was locked is taken as it was.
 *
 * @returns null if it needs no packages
 * @throws ThawError PACKAGES_UNAVAILABLE with the fact `reason`; DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export async function lockPackages(request: LockRequest, tools: Tools): Promise<Lock | null> {
  const {projectDir, target} = request;
  const wanted = planWanted(request);
  if (wanted.packages.length === 0 && !wanted.options.some((option) => option.startsWith('-r '))) return null;
  const file = join(projectDir, lockFileName(target));
  const digest = inputDigest(request);
  const known = parseLock(await readFile(file, 'utf8').catch(() => ''));
  // One for an older glibc is right on a newer one, too.
  if (known !== null && known.digest === digest && isAtLeast(target.glibc, known.target.glibc)) {
    return {...known, file, remembered: true};
  }
  tools.onStep('choosing packages');
  const packages = await resolve(request, wanted, tools);
  const {kept, leftOut} = planInstallation(packages, request.provided);
  const source = request.requirements?.file ?? 'what the model needs';
  const text = renderLock({digest, target, source, packages: kept, leftOut});
  await writeWhole(file, text, {signal: tools.signal});
  return {
    file,
    text,
    target,
    packages: kept.map(({name, version}) => ({name, version})),
    leftOut,
    remembered: false,
  };
}

/** Part of every digest: raise it when the same requirements shall be resolved otherwise. */
const FORMAT = 1;

function inputDigest({requirements, additions, provided, target}: LockRequest): Digest {
  const {platform, version} = target;
  return digestOfJson({
    format: FORMAT,
    requirements: requirements?.digest ?? null,
    additions: [...additions],
    provided: provided.map(normalizedName).toSorted(),
    platform,
    version,
  });
}

/** What the base has is not asked for; if something else asks for it, it has to fit all the same. */
export function planWanted({
  requirements,
  additions,
  provided,
}: Pick<LockRequest, 'requirements' | 'additions' | 'provided'>): Wanted {
  const has = new Set(provided.map(normalizedName));
  const {options = [], packages = [], constraints = []} = requirements?.parts ?? {};
  const asked = packages.map(({name}) => name);
  // A build for graphics cards has a name of its own, and is the same to whoever imports it.
  const isThere = (name: string): boolean =>
    [...has, ...asked].some((other) => other === name || other.startsWith(`${name}-`));
  const added = additions.filter((text) => !isThere(normalizedName(/^[\w.-]+/.exec(text)?.[0] ?? text)));
  return {
    options,
    packages: [...packages.filter(({name}) => !has.has(name)).map(({text}) => text), ...added],
    constraints: [
      ...constraints,
      ...packages.filter(({name}) => has.has(name)).map(({text}) => asConstraint(text)),
    ],
  };
}

async function resolve(request: LockRequest, wanted: Wanted, tools: Tools): Promise<readonly Resolved[]> {
  const {projectDir, requirements, target} = request;
  const installer = await findInstaller(tools);
  const clean = createCleaner(JSON.stringify(requirements?.parts ?? null), tools.env);
  const create = installer.kind === 'uv' ? createUv : createPip;
  const resolution = await resolvePackages(wanted, installer, create(target, tools, clean), projectDir);
  if (resolution.failure === null) return resolution.packages;
  const more = await askAgain(resolution.failure, wanted, installer, request, tools, clean);
  const source = requirements?.file ?? 'the packages that the model needs';
  throw explainFailure(resolution.failure.said, {installer: installer.kind, target, source}, more);
}

/** pip says only that there is nothing; asked for that one package in all its words, it says what it passed over. */
async function askAgain(
  {said}: Ended,
  {options}: Wanted,
  installer: Installer,
  {projectDir, target}: LockRequest,
  tools: Tools,
  clean: (text: string) => string,
): Promise<string> {
  const missing = installer.kind === 'pip' ? missingOf(said) : null;
  if (missing === null) return '';
  const pip = createPip(target, {...tools, onOutput: () => undefined}, clean);
  const more = await inSecret(async (dir) => {
    const file = join(dir, 'requirements.txt');
    await write(file, [...options.filter((option) => !option.startsWith('-r ')), missing]);
    return pip(
      [
        'install',
        '-vv',
        '--dry-run',
        '--no-deps',
        '--ignore-installed',
        '--target',
        join(dir, 'nowhere'),
        '-r',
        file,
      ],
      projectDir,
    );
  });
  return more.ok ? '' : more.said;
}

/** What is installed: all that can be reached from what was asked for without passing what the base has. */
export function planInstallation(
  packages: readonly Resolved[],
  provided: readonly string[],
): {readonly kept: readonly Resolved[]; readonly leftOut: readonly string[]} {
  const has = new Set(provided.map(normalizedName));
  const reached = new Set(
    packages.filter(({name, requested}) => requested && !has.has(name)).map(({name}) => name),
  );
  for (let size = -1; size !== reached.size;) {
    size = reached.size;
    for (const {name, neededBy} of packages) {
      if (!has.has(name) && neededBy.some((other) => reached.has(other))) reached.add(name);
    }
  }
  const sorted = packages.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return {
    kept: sorted.filter(({name}) => reached.has(name)),
    leftOut: sorted.filter(({name}) => !reached.has(name)).map(({name, version}) => `${name}==${version}`),
  };
}

/** Writes a lock as pip's and uv's hash-checking mode reads it. */
function renderLock({
  digest,
  target: {platform, version, glibc},
  source,
  packages,
  leftOut,
}: {
  readonly digest: Digest;
  readonly target: LockTarget;
  readonly source: string;
  readonly packages: readonly Resolved[];
  readonly leftOut: readonly string[];
}): string {
  const lines = packages.map((each) =>
    [
      each.url === null ? `${each.name}==${each.version}` : `${each.name} @ ${each.url}`,
      ...each.hashes.toSorted().map((hash) => `    --hash=${hash}`),
    ].join(' \\\n'),
  );
  return [
    `# thaw ${digest} ${platform} py${version} glibc${glibc}`,
    `# Chosen by thaw from ${source}. Keep it with your sources: every build then installs the very same files.`,
    ...leftOut.map((each) => `# left out, the base has it: ${each}`),
    ...lines,
    '',
  ].join('\n');
}

const HEADER =
  /^# thaw (?<digest>sha256:[0-9a-f]{64}) (?<platform>linux\/(?:amd64|arm64)) py(?<version>\d+\.\d+) glibc(?<glibc>\d+\.\d+)$/;

/** Reads a lock; null if it is none of thaw's. */
export function parseLock(
  text: string,
): (Omit<Lock, 'file' | 'remembered'> & {readonly digest: Digest}) | null {
  const lines = text.split(/\r?\n/);
  const {digest, platform, version, glibc} = HEADER.exec(lines[0] ?? '')?.groups ?? {};
  if (digest === undefined || version === undefined || glibc === undefined) return null;
  return {
    digest: digest as Digest,
    text,
    target: {platform: platform as Platform, version, glibc},
    packages: lines.flatMap((line) => {
      const [, name, pinned, wheel] =
        /^([\w.-]+)(?:==(\S+)| @ \S*\/[\w.]+-([^-/]+)-\S+\.whl)/.exec(line) ?? [];
      return name === undefined ? [] : [{name, version: pinned ?? wheel ?? ''}];
    }),
    leftOut: lines.flatMap((line) => /^# left out, the base has it: (\S+)$/.exec(line)?.[1] ?? []),
  };
}

/** Sees that a lock is one. @throws ThawError PACKAGES_UNAVAILABLE with `reason: 'file'` */
export function expectLock(text: string): NonNullable<ReturnType<typeof parseLock>> {
  const lock = parseLock(text);
  if (lock !== null) return lock;
  throw new ThawError(
    'PACKAGES_UNAVAILABLE',
    'the lock of the packages is damaged: its first line is not thaw’s',
    {
      reason: 'file',
    },
  );
}
