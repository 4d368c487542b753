import {chmod, mkdtemp, readdir, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import type {Deployment} from '../../../src/core/deployment.ts';
import {readDeployment, recordFile, removeDeployment, writeDeployment} from '../../../src/deploy/records.ts';

const deployment: Deployment = {
  schema: 'thaw.deployment/1',
  provider: 'moon',
  function: 'credit-scoring',
  url: 'https://moon.example/',
  image: `sha256:${'a'.repeat(64)}`,
  version: '3',
  handle: {arn: 'x'},
};

describe('the record of a deployment', () => {
  let project: string;
  beforeEach(async () => (project = await mkdtemp(join(tmpdir(), 'thaw-records-'))));
  afterEach(() => rm(project, {recursive: true, force: true}));

  it('is read back as it was written, and leaves no other file', async () => {
    await writeDeployment(project, {...deployment, version: '2'});
    await writeDeployment(project, deployment);
    expect(await readDeployment(project, 'moon')).toEqual(deployment);
    expect(await readdir(dirname(recordFile(project, 'moon')))).toEqual(['moon.json']);
  });

  it('is null where there is none, and after it was removed', async () => {
    expect(await readDeployment(project, 'moon')).toBeNull();
    await removeDeployment(project, 'moon');
    await writeDeployment(project, deployment);
    await removeDeployment(project, 'moon');
    expect(await readDeployment(project, 'moon')).toBeNull();
  });

  it.each(['', '{"schema":', 'null', '[]', '{"schema":"thaw.deployment/9","provider":"moon"}'])(
    'counts for nothing when it reads %j',
    async (text) => {
      await writeDeployment(project, deployment);
      await writeFile(recordFile(project, 'moon'), text);
      expect(await readDeployment(project, 'moon')).toBeNull();
    },
  );

  it.skipIf(process.getuid?.() === 0 || process.platform === 'win32')(
    'that may not be written is refused, and the old one stays',
    async () => {
      await writeDeployment(project, deployment);
      await chmod(dirname(recordFile(project, 'moon')), 0o500);
      await expect(writeDeployment(project, {...deployment, version: '4'})).rejects.toMatchObject({
        code: 'PERMISSION_DENIED',
      });
      await chmod(dirname(recordFile(project, 'moon')), 0o700);
      expect(await readDeployment(project, 'moon')).toEqual(deployment);
    },
  );
});
