import {readFile} from 'node:fs/promises';

/** Reads the most memory that a process has ever held, in MiB; null where the system does not tell. */
export async function readPeakMemoryMb(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kib === undefined ? null : Math.ceil(Number(kib) / 1024);
}
