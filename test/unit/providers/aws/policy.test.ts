import {readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {expect, it} from 'vitest';
import {leastPolicy} from '../../../../src/providers/aws/policy.ts';

it('is in the documentation as it is', () => {
  const page = readFileSync(
    fileURLToPath(new URL('../../../../docs/providers/aws.md', import.meta.url)),
    'utf8',
  );
  const written = /```json\n(.*?)```/s.exec(page)?.[1] ?? '';
  const scope = {partition: 'aws', account: 'ACCOUNT', region: 'REGION', function: 'NAME'};
  const policy = JSON.stringify(leastPolicy(scope)).replace('thaw/name', 'thaw/NAME');
  expect(JSON.parse(written)).toEqual(JSON.parse(policy));
});

it('is about one function, but for what has no names', () => {
  const policy = leastPolicy({partition: 'aws', account: '1', region: 'r', function: 'f'});
  const statements = policy['Statement'] as {Sid: string; Resource: string | string[]}[];
  const open = statements.filter(({Resource}) => Resource === '*').map(({Sid}) => Sid);
  expect(open).toEqual(['Schedule', 'Sources', 'Secrets', 'Account']);
});
