/** A file of installed packages: its path in their folder, with forward slashes. */
export interface InstalledFile {
  readonly path: string;
  readonly bytes: number;
}

/** What only compilers and linkers read, or was made by the installer for itself. */
const NOISE =
  /\.(?:h|hh|hpp|hxx|cuh|pxd|a|lib)$|(?:^|\/)__pycache__\/|\.dist-info\/(?:INSTALLER|REQUESTED|direct_url\.json|uv_cache\.json)$|^\.(?:lock|gitignore)$/;
/** Programs for a shell, and pages for people: there is neither. */
const NOT_FOR_IMPORT = /^(?:bin|include|share\/(?:man|doc))\//;
const STUB = /\.pyi$/;
const TESTS = /^(?<folder>(?:.*\/)?tests?)\//;

/**
 * Plans which files of installed packages are left out of an image: headers, static libraries, type stubs, and folders of
 * tests that no other module imports. Licenses and metadata stay.
 *
 * @param read gives the text of a file
 * @returns the paths to remove
 */
export async function planTrim(
  files: readonly InstalledFile[],
  read: (path: string) => Promise<string>,
): Promise<ReadonlySet<string>> {
  const removed = new Set<string>();
  const paths = new Set(files.map(({path}) => path));
  const inTests: string[] = [];
  const modules: string[] = [];
  for (const {path} of files) {
    if (NOISE.test(path) || NOT_FOR_IMPORT.test(path)) removed.add(path);
    else if (STUB.test(path)) {
      if (!(await isReadAtRunTime(path, paths, read))) removed.add(path);
    } else if (isTest(path)) inTests.push(path);
    else if (path.endsWith('.py')) modules.push(path);
  }
  if (inTests.length > 0) {
    const used = await findUsedTests(modules, inTests, read);
    for (const path of inTests) if (!isUnder(path, used)) removed.add(path);
  }
  return removed;
}

/** `testing` is something else: libraries import it themselves. */
const isTest = (path: string): boolean => TESTS.test(path) && !/^[^/]+\.dist-info\//.test(path);

/** Some packages load their submodules by the list in their stubs. */
async function isReadAtRunTime(
  stub: string,
  paths: ReadonlySet<string>,
  read: (path: string) => Promise<string>,
): Promise<boolean> {
  const source = stub.slice(0, -1);
  return paths.has(source) && (await read(source)).includes('attach_stub');
}

/** Folders of tests that some module outside of them imports from. */
async function findUsedTests(
  modules: readonly string[],
  inTests: readonly string[],
  read: (path: string) => Promise<string>,
): Promise<ReadonlySet<string>> {
  const folders = new Set(inTests.flatMap(foldersOfTests));
  const used = new Set<string>();
  for (const path of modules) {
    const source = await read(path);
    if (!/\btests?\b/.test(source)) continue;
    for (const name of importedModules(source, path)) {
      for (const folder of foldersOfTests(`${name}/`)) if (folders.has(folder)) used.add(folder);
    }
  }
  return used;
}

/** Every folder on a path's way that is called `test` or `tests`. */
function foldersOfTests(path: string): readonly string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.flatMap((part, at) => (/^tests?$/.test(part) ? [parts.slice(0, at + 1).join('/')] : []));
}

function isUnder(path: string, used: ReadonlySet<string>): boolean {
  return foldersOfTests(path).some((folder) => used.has(folder));
}

const IMPORT =
  /^[ \t]*(?:from[ \t]+(?<from>[.\w]+)[ \t]+import[ \t]+(?:\((?<many>[^)]*)\)|(?<one>[^\n#;]*))|import[ \t]+(?<plain>[^\n#;]*))|\bimport_module\([ \t]*['"](?<named>[\w.]+)['"]/gm;

/** The modules that a source names in its imports, as paths in the folder of packages: those that may be modules, too. */
export function importedModules(source: string, path: string): readonly string[] {
  const here = path.split('/').slice(0, -1);
  return [...source.matchAll(IMPORT)].flatMap(({groups}) => {
    const {from, many, one, plain, named} = groups ?? {};
    if (named !== undefined) return [named.replaceAll('.', '/')];
    if (from === undefined) return namesIn(plain).map((name) => name.replaceAll('.', '/'));
    const dots = /^\.*/.exec(from)![0].length;
    const above = dots === 0 ? [] : here.slice(0, here.length - dots + 1);
    const module = [
      ...above,
      ...from
        .slice(dots)
        .split('.')
        .filter((part) => part !== ''),
    ].join('/');
    return [module, ...namesIn(many ?? one).map((name) => `${module}/${name}`)];
  });
}

const namesIn = (text = ''): readonly string[] =>
  text
    .replace(/#.*$/gm, '')
    .split(',')
    .map((part) => part.trim().split(/\s+as\s+/)[0]!)
    .filter((name) => /^[\w.]+$/.test(name));
