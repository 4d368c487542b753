import {randomUUID} from 'node:crypto';
import {mkdir, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import type {Check} from '../../core/driver.ts';
import {messageOf} from '../../core/errors.ts';

/** What has to be so for a function to run on this machine. */
export const checks: readonly Check[] = [
  {
    name: 'Node runs instances',
    check: async () => {
      const ok = isSupportedNode(process.versions.node);
      return {
        ok,
        found: `Node ${process.versions.node}`,
        remedy: ok ? null : 'install Node 20.19, 22.13 or 24',
      };
    },
  },
  {
    name: 'ONNX Runtime for this machine',
    check: async (context) => {
      try {
        const {version, dir} = await context.ports.hostOnnxRuntime(() => {}, context.signal);
        return {ok: true, found: `ONNX Runtime ${version} in ${dir}`, remedy: null};
      } catch (error) {
        const remedy = 'make sure that npm can install packages here, then run thaw doctor local again';
        return {ok: false, found: messageOf(error), remedy};
      }
    },
  },
  {
    name: 'state folder can be written',
    check: async (context) => {
      const probe = join(context.stateDir, `.probe-${randomUUID()}`);
      try {
        await mkdir(context.stateDir, {recursive: true, mode: 0o700});
        await writeFile(probe, '');
        await rm(probe);
        return {ok: true, found: context.stateDir, remedy: null};
      } catch (error) {
        return {
          ok: false,
          found: messageOf(error),
          remedy: `make ${context.stateDir} writable for this user`,
        };
      }
    },
  },
];

/** As in the package's `engines`. */
export function isSupportedNode(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return (major === 20 && minor >= 19) || (major === 22 && minor >= 13) || major >= 24;
}
