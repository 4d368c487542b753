import {join} from 'node:path';
import type {Context} from '../core/driver.ts';
import type {FetchPackage, HostOnnxRuntime, Ports, ProgressFn} from '../core/ports.ts';
import {systemClock} from '../net/clock.ts';
import {startDetached} from '../net/detached.ts';
import {createHttp} from '../net/http.ts';
import {createFetchPackage} from '../net/npm-package.ts';
import {hostOnnxRuntime} from '../onnxruntime/index.ts';
import {newFingerprintKey} from './apply-plan.ts';
import {openContainerEngine} from './container-engine.ts';
import {claimWhenFetching, createClaim, type ClaimCache} from './cache/claim.ts';

/** Where thaw is installed and where it keeps its things, as oclif knows it. */
export interface Installation {
  readonly root: string;
  readonly version: string;
  readonly cacheDir: string;
  readonly dataDir: string;
}

/** Where a cache keeps the layers of images. */
export const layersDirOf = (cacheDir: string): string => join(cacheDir, 'layers');

/** Where what runs on this machine has its things. */
export const stateDirOf = ({dataDir}: Pick<Installation, 'dataDir'>): string =>
  process.env['THAW_STATE_DIR'] ?? join(dataDir, 'state');

/** Everything a command hands to the modules it calls. */
export interface Workshop {
  readonly installation: Installation;
  /** Before anything of the cache is used that no fetched package has claimed it for. */
  readonly claimCache: ClaimCache;
  readonly fetchPackage: FetchPackage;
  readonly ports: Ports;
  hostOnnxRuntime(progress: ProgressFn): Promise<HostOnnxRuntime>;
  context(projectDir: string): Context;
}

/** Puts the modules together: the one place where siblings meet. */
export function openWorkshop(installation: Installation, signal: AbortSignal): Workshop {
  const {cacheDir} = installation;
  const claimCache = createClaim(cacheDir);
  const fetchPackage = claimWhenFetching(createFetchPackage({cacheDir}), claimCache);
  const ports: Ports = {
    clock: systemClock,
    http: createHttp(),
    startDetached,
    // Loaded by the few steps that need it: most commands unpack nothing.
    unpackImage: async (from, roles, intoDir) => {
      const {unpackImage} = await import('../image/unpack.ts');
      return unpackImage(from, roles, intoDir);
    },
    pushImage: async (image, to, progress, signal) => {
      const {pushToProvider} = await import('./push-to-provider.ts');
      return pushToProvider(image, to, systemClock, progress, signal);
    },
    hostOnnxRuntime: (progress, signal) => hostOnnxRuntime(fetchPackage, progress, signal),
    openContainerEngine,
    makePythonEnvironment: async (needs, signal) => {
      const [{makeFunctionEnvironment}, {pythonToolsOf}] = await Promise.all([
        import('../python/function-environment.ts'),
        import('./python-tools.ts'),
      ]);
      await claimCache();
      return makeFunctionEnvironment(needs, pythonToolsOf(installation, signal));
    },
  };
  return {
    installation,
    claimCache,
    fetchPackage,
    ports,
    hostOnnxRuntime: (progress) => ports.hostOnnxRuntime(progress, signal),
    context: (projectDir) => ({
      ports,
      signal,
      projectDir,
      stateDir: stateDirOf(installation),
      packageDir: installation.root,
      thawVersion: installation.version,
      fingerprintKey: newFingerprintKey(),
    }),
  };
}
