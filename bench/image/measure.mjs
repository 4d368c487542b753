// Runs programs and says what they took.
import {spawn} from 'node:child_process';
import {familyOf, forgetPeaks, peakBytesOf} from './places.mjs';

// Certificates from the environment alone cost a Node process tens of milliseconds; here nothing speaks TLS.
const {
  NODE_EXTRA_CA_CERTS: _extra,
  SSL_CERT_FILE: _bundle,
  NODE_OPTIONS: _options,
  ...inherited
} = process.env;

/**
 * Runs a program to its end. Memory is looked at every 10 ms: of the program alone (`ownBytes`), and of it with all
 * that it starts and the daemon that works for it (`bytes`).
 */
export function measure(file, args, {cwd, env = {}, daemon = null} = {}) {
  return new Promise((resolve, reject) => {
    const daemons = daemon === null ? [] : familyOf(daemon);
    forgetPeaks(daemons);
    const peaks = new Map();
    const startedMs = performance.now();
    const child = spawn(file, args, {cwd, env: {...inherited, ...env}, stdio: ['ignore', 'pipe', 'pipe']});
    const look = () => {
      for (const pid of [...familyOf(child.pid), ...daemons]) {
        peaks.set(pid, Math.max(peaks.get(pid) ?? 0, peakBytesOf(pid)));
      }
    };
    const timer = setInterval(look, 10);
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    child.on('error', reject);
    child.on('exit', () => clearInterval(timer));
    child.on('close', (code) => {
      const ms = performance.now() - startedMs;
      for (const pid of daemons) peaks.set(pid, peakBytesOf(pid));
      const bytes = [...peaks.values()].reduce((sum, one) => sum + one, 0);
      if (code === 0) resolve({ms, bytes, ownBytes: peaks.get(child.pid) ?? 0, stdout});
      else reject(new Error(`${file} ${args.join(' ')} ended with ${code}: ${stderr.slice(-2000)}`));
    });
  });
}

export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)];

export const seconds = (ms) =>
  ms === null ? '–' : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
export const size = (bytes) =>
  bytes === null
    ? '–'
    : bytes < 1e6
      ? `${(bytes / 1e3).toFixed(1)} kB`
      : `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;

export function printTable(head, rows) {
  const lines = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  for (const line of [lines[0], rule, ...lines.slice(1)]) {
    const cells = line.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
    );
    console.log(`| ${cells.join(' | ')} |`);
  }
  console.log();
}
