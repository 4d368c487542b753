/** A package that is installed. */
export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  /** An expression of SPDX, or the name that the package gives it; null if it gives none. */
  readonly license: string | null;
}

/** Longer than this, a package has put the text of the license in the field for its name. */
const NAME_CHARS_MAX = 100;

/** Reads the METADATA of an installed package. */
export function parseMetadata(text: string): InstalledPackage {
  const [head = ''] = text.split(/\r?\n\r?\n/, 1);
  const fields = new Map<string, string[]>();
  for (const line of head.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)) {
    const [, name, value = ''] = /^([\w-]+):\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined)
      fields.set(name.toLowerCase(), [...(fields.get(name.toLowerCase()) ?? []), value]);
  }
  const one = (name: string): string | null => fields.get(name)?.[0]?.trim() || null;
  const named = one('license');
  const usable = named !== null && named.length <= NAME_CHARS_MAX && named !== 'UNKNOWN' ? named : null;
  return {
    name: one('name') ?? '',
    version: one('version') ?? '',
    license: one('license-expression') ?? usable ?? classified(fields.get('classifier') ?? []),
  };
}

function classified(classifiers: readonly string[]): string | null {
  const names = classifiers.flatMap((each) => /^License :: (?:OSI Approved :: )?(.+)$/.exec(each)?.[1] ?? []);
  return names.length === 0 ? null : names.join(', ');
}
