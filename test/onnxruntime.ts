import {homedir} from 'node:os';
import {join} from 'node:path';
import type {HostOnnxRuntime} from '../src/core/ports.ts';
import {createFetchPackage} from '../src/net/npm-package.ts';
import {hostOnnxRuntime} from '../src/onnxruntime/index.ts';

/** thaw's cache folder of this user, shared by all tests so that ONNX Runtime is fetched once. */
export function cacheDir(): string {
  const {THAW_CACHE_DIR, XDG_CACHE_HOME} = process.env;
  return THAW_CACHE_DIR ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'thaw');
}

/** ONNX Runtime for this machine, fetched if it is not there yet. */
export async function hostOrt(): Promise<HostOnnxRuntime> {
  const fetchPackage = createFetchPackage({cacheDir: cacheDir()});
  return hostOnnxRuntime(fetchPackage, () => undefined, new AbortController().signal);
}
