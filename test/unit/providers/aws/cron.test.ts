import {expect, it} from 'vitest';
import {toAwsCron} from '../../../../src/providers/aws/wanted/cron.ts';

it.each([
  ['0 8 * * 1-5', 'cron(0 8 ? * MON-FRI *)'],
  ['*/5 * * * *', 'cron(*/5 * * * ? *)'],
  ['0 3 1 * *', 'cron(0 3 1 * ? *)'],
  ['15 6,18 * jan-mar 0', 'cron(15 6,18 ? JAN-MAR SUN *)'],
  ['0 0 * * 7', 'cron(0 0 ? * SUN *)'],
  ['0 0 * * mon,wed', 'cron(0 0 ? * MON,WED *)'],
  ['0 0 * * 1-5/2', 'cron(0 0 ? * MON-FRI/2 *)'],
  ['0 0 1 * 1', null],
  ['@daily', null],
  ['* * * *', null],
])('%s is %s', (cron, aws) => {
  expect(toAwsCron(cron)).toBe(aws);
});
