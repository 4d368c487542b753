import {spawn, spawnSync, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {afterAll} from 'vitest';

/** Programs that are not there. */
export function findMissing(programs: readonly string[]): readonly string[] {
  return programs.filter((program) => spawnSync(program, ['--version']).error !== undefined);
}

/** What to add to a test's name. */
export function skippedFor(missing: readonly string[]): string {
  return missing.length === 0 ? '' : ` (skipped: needs ${missing.join(', ')})`;
}

const children: ChildProcess[] = [];
afterAll(async () => {
  for (const child of children) {
    const gone = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null;
    child.kill('SIGKILL');
    await gone;
  }
});

/**
 * Starts Debian's own registry on a port that it chooses itself, and waits until it listens.
 *
 * @param more lines of its configuration, such as `auth:`
 * @param tls lines of its `http` section
 * @returns host and port
 */
export async function startRegistry(folder: string, more = '', tls = ''): Promise<string> {
  const config = join(folder, 'registry.yml');
  const storage = join(folder, 'storage');
  await mkdir(storage, {recursive: true});
  await writeFile(
    config,
    `version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: ${storage}}, delete: {enabled: true}}
http:
  addr: "127.0.0.1:0"
  secret: not-a-secret
${tls}${more}`,
  );
  const child = spawn('docker-registry', ['serve', config], {stdio: ['ignore', 'ignore', 'pipe']});
  children.push(child);
  let said = '';
  for await (const line of createInterface(child.stderr)) {
    said += `${line}\n`;
    const port = /listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
    if (port === undefined) continue;
    child.stderr.resume();
    return `127.0.0.1:${port}`;
  }
  throw new Error(`docker-registry ended: ${said}`);
}
