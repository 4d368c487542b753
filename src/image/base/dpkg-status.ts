import type {SystemPackage} from './contents.ts';

/**
 * Reads what dpkg knows of the packages in an image: `var/lib/dpkg/status`, or one of the files under `status.d` that
 * images without a package manager have in its place. Packages that were removed are left out.
 */
export function parseDpkgStatus(text: string): readonly SystemPackage[] {
  return text.split(/\n\s*\n/).flatMap((paragraph): readonly SystemPackage[] => {
    const fields = new Map<string, string>();
    for (const line of paragraph.split('\n')) {
      const [, key, value] = /^([A-Za-z-]+): (.*)$/.exec(line) ?? [];
      if (key !== undefined && value !== undefined) fields.set(key.toLowerCase(), value.trim());
    }
    const [name, version, status] = ['package', 'version', 'status'].map((key) => fields.get(key));
    const isThere = status === undefined || status.endsWith(' installed');
    if (!name || !version || !isThere) return [];
    const architecture = fields.get('architecture');
    return [{manager: 'deb', name, version, ...(architecture === 'all' ? {architecture} : {})}];
  });
}
