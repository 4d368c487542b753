import {randomUUID} from 'node:crypto';
import {mkdir, readFile, rename, rm, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import type {Deployment} from '../core/deployment.ts';
import {systemCode} from '../core/errors.ts';
import {writeProblem} from './write-problem.ts';

/** Where a project keeps what was last deployed to a provider. A record is a convenience, never the truth. */
export const recordFile = (projectDir: string, provider: string): string =>
  join(projectDir, '.thaw', 'deployments', `${provider}.json`);

/**
 * Records a deployment for later commands; a reader sees the old record or the new one, never half of one.
 *
 * @throws ThawError DISK_FULL, PERMISSION_DENIED
 */
export async function writeDeployment(projectDir: string, deployment: Deployment): Promise<void> {
  const file = recordFile(projectDir, deployment.provider);
  const next = `${file}.${randomUUID()}.tmp`;
  try {
    await mkdir(dirname(file), {recursive: true});
    await writeFile(next, `${JSON.stringify(deployment, null, 2)}\n`);
    await rename(next, file);
  } catch (error) {
    await rm(next, {force: true});
    throw writeProblem(error, file);
  }
}

/** Reads the record of a provider; null if there is none that this version of thaw understands. */
export async function readDeployment(projectDir: string, provider: string): Promise<Deployment | null> {
  try {
    const record = JSON.parse(
      await readFile(recordFile(projectDir, provider), 'utf8'),
    ) as Partial<Deployment> | null;
    const isOurs = record?.schema === 'thaw.deployment/1' && record.provider === provider;
    return isOurs ? (record as Deployment) : null;
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Forgets the record of a provider. */
export async function removeDeployment(projectDir: string, provider: string): Promise<void> {
  await rm(recordFile(projectDir, provider), {force: true});
}
