/** Parts of the standard library that a function in a container cannot use, or never does. */
const FOLDERS = new Set([
  '__pycache__',
  'dist-packages',
  'ensurepip',
  'idlelib',
  'lib2to3',
  'pydoc_data',
  'site-packages',
  'test',
  'tests',
  'tkinter',
  'turtledemo',
  'venv',
]);
/** Windows of its own, a terminal's history, tests, services of networks of old. */
const EXTENSIONS =
  /^lib-dynload\/(?:_tkinter|_test\w*|_ctypes_test|_xxtest\w*|xx\w+|nis|_gdbm|_dbm|ossaudiodev|readline)\./;
const FILES = /\.(?:a|o|h|exe|pyc|pyo|bat)$|^(?:turtle\.py|sitecustomize\.py|EXTERNALLY-MANAGED)$/;

/**
 * Whether a file of the standard library goes into images.
 *
 * @param path relative to its folder, with forward slashes
 */
export function isKeptInImages(path: string): boolean {
  const folders = path.split('/').slice(0, -1);
  if (folders.some((folder) => FOLDERS.has(folder) || folder.startsWith('config-3'))) return false;
  return !EXTENSIONS.test(path) && !FILES.test(path);
}
