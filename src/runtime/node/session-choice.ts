// Which session options are right here: those that were measured, or, where ONNX Runtime or the CPU is another, the
// plain ones.
import {closeSync, openSync, readFileSync, readSync} from 'node:fs';
import {join} from 'node:path';
import type {ServeManifest} from './serve-manifest.ts';

/** Session options, and why they are not the measured ones. */
export interface SessionChoice {
  readonly session: ServeManifest['session'];
  /** Null where what was measured is what is used. */
  readonly fallback: string | null;
}

/** Chooses among the two sets of options that a manifest may have. */
export function chooseSession(manifest: ServeManifest, onnxruntimeDir: string): SessionChoice {
  const {session, shaped, onnxruntime} = manifest;
  if (shaped === undefined) return {session, fallback: null};
  if (onnxruntime === null || !isBoundTo(onnxruntimeDir, onnxruntime)) {
    return {session, fallback: `ONNX Runtime is not ${onnxruntime}, which they were measured with`};
  }
  if (!hasCpu(shaped.cpu)) return {session, fallback: `this CPU is not ${shaped.cpu}`};
  return {session: shaped.session, fallback: null};
}

/** The binding names the version of the library that it was linked with, and loads with no other. */
function isBoundTo(onnxruntimeDir: string, version: string): boolean {
  try {
    return readFileSync(join(onnxruntimeDir, 'onnxruntime_binding.node')).includes(version);
  } catch {
    return false;
  }
}

function hasCpu(wanted: string): boolean {
  if (wanted === 'any') return true;
  if (wanted === 'arm64' || process.arch === 'arm64') return wanted === process.arch;
  const flags = /^flags\s*:(.*)$/m.exec(headOfCpuinfo())?.[1]?.split(/\s+/) ?? [];
  if (wanted === 'vnni') return flags.includes('avx512_vnni') || flags.includes('avx_vnni');
  return wanted === 'avx2' && flags.includes('avx2');
}

/** The first processor is enough, and all of a large machine's take milliseconds. */
function headOfCpuinfo(): string {
  try {
    const file = openSync('/proc/cpuinfo', 'r');
    try {
      const head = Buffer.alloc(8192);
      return head.toString('latin1', 0, readSync(file, head));
    } finally {
      closeSync(file);
    }
  } catch {
    return '';
  }
}
