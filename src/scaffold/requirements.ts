/** A package that a handler imports. */
export interface ImportedPackage {
  readonly name: string;
  /** The version to pin; null if none is known. */
  readonly version: string | null;
  /** Whether the name is that of what is installed, one that is known, or just the module's. */
  readonly source: 'installed' | 'known' | 'guessed';
  readonly module: string;
  readonly file: string;
  readonly line: number;
  /** Whether the handler goes on without it. */
  readonly optional: boolean;
}

/** A requirements.txt of what a handler imports. What it can do without, and is not here, is left to the user. */
export function renderRequirements(handler: string, packages: readonly ImportedPackage[]): string {
  const head =
    packages.length === 0
      ? `# ${handler} imports nothing but the standard library and its own modules.`
      : `# What ${handler} imports.`;
  return `${[head, ...packages.map(renderRequirement)].join('\n')}\n`;
}

function renderRequirement({name, version, source, module, file, line, optional}: ImportedPackage): string {
  const requirement = version === null ? name : `${name}==${version}`;
  const where = `import ${module}, ${file}:${line}`;
  if (optional && source !== 'installed') return `# ${requirement} # ${where}: it does without`;
  if (source === 'installed') {
    return version === null ? `${requirement} # ${where}: what is installed is of no release` : requirement;
  }
  return source === 'known'
    ? `${requirement} # ${where}: not installed here, so that no version is known`
    : `${requirement} # ${where}: the name is a guess, check it before you install it`;
}

/** The packages that a requirements.txt does not name. They may still come with another. */
export function unlisted(text: string, packages: readonly ImportedPackage[]): readonly ImportedPackage[] {
  const listed = new Set(
    text
      .split(/\r?\n/)
      .flatMap((line) => /^\s*([A-Za-z0-9][\w.-]*)/.exec(line)?.[1] ?? [])
      .map(normalName),
  );
  return packages.filter(({name, optional}) => !optional && !listed.has(normalName(name)));
}

/** As package indexes compare names. */
const normalName = (name: string): string => name.toLowerCase().replaceAll(/[-_.]+/g, '-');

/** The files that a requirements.txt includes, as it names them. */
export function includedFiles(text: string): readonly string[] {
  return [...text.matchAll(/^\s*(?:-r|-c|--requirement|--constraint)(?:\s+|=)?([^\s#]+)/gm)].map(
    ([, path = '']) => path,
  );
}

/** Whether a pyproject.toml lists dependencies in the way that installers read. */
export function listsDependencies(pyproject: string): boolean {
  const [, project = ''] = /^\[project\]([^]*?)(?=^\[|$(?![^]))/m.exec(pyproject) ?? [];
  return /^\s*dependencies\s*=/m.test(project);
}
