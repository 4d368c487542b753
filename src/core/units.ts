const DURATION_MS = {ms: 1, s: 1000, m: 60_000, h: 3_600_000} as const;
const MEMORY_MB = {Mi: 1, Gi: 1024} as const;

/** How durations and memory are written in thaw.yaml and in flags, for messages. */
export const DURATION_EXAMPLE = '500ms, 30s, 5m or 1h';
export const MEMORY_EXAMPLE = '512Mi or 1Gi';

/** Reads a duration such as `500ms`, `30s`, `5m` or `1.5h` as milliseconds; undefined if it is not one. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim());
  return match ? Math.round(Number(match[1]) * DURATION_MS[match[2] as keyof typeof DURATION_MS]) : undefined;
}

/** Reads an amount of memory such as `512Mi` or `1Gi` as mebibytes; undefined if it is not one. */
export function parseMemory(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(Mi|Gi)$/.exec(text.trim());
  return match ? Math.round(Number(match[1]) * MEMORY_MB[match[2] as keyof typeof MEMORY_MB]) : undefined;
}

/** Milliseconds for people, with three digits that matter: `0.84 ms`, `62.1 ms`, `1.04 s`. */
export function formatMs(ms: number): string {
  const [value, unit] = Math.abs(ms) >= 999.5 ? [ms / 1000, 's'] : [ms, 'ms'];
  const digits = Math.abs(value) >= 99.95 ? 0 : Math.abs(value) >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${unit}`;
}

/** Bytes for people, in the decimal units that registries and disks use: `189 B`, `17.7 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value >= 99.95 ? 0 : 1)} ${units[unit]}`;
}

/** Mebibytes as thaw.yaml writes them: `512Mi`, `1Gi`. */
export function formatMemory(memoryMb: number): string {
  return memoryMb % 1024 === 0 ? `${memoryMb / 1024}Gi` : `${memoryMb}Mi`;
}

/** Milliseconds as thaw.yaml writes them: `500ms`, `30s`, `5m`. */
export function formatDuration(ms: number): string {
  for (const unit of ['h', 'm', 's'] as const) {
    if (ms >= DURATION_MS[unit] && ms % DURATION_MS[unit] === 0) return `${ms / DURATION_MS[unit]}${unit}`;
  }
  return `${ms}ms`;
}
