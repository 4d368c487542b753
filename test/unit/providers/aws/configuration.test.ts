import {expect, it} from 'vitest';
import {
  isAsExpected,
  unlikeExpected,
  type Expected,
} from '../../../../src/providers/aws/wanted/configuration.ts';

const latest = {
  found: {
    MemorySize: 512,
    Timeout: 30,
    Role: 'arn:aws:iam::123456789012:role/r',
    CodeSha256: 'abc=',
    Environment: {Variables: {KEPT: 'same', CHANGED: 'old-secret', LEFT: 'left-secret'}},
  },
  image: 'sha256:aa',
  imageUri: 'host/r@sha256:aa',
};
const anything: Expected = {configuration: null, image: null, nonce: null};
const configuration = {
  role: 'arn:aws:iam::123456789012:role/r',
  memoryMb: 512,
  timeoutSeconds: 30,
  ephemeralStorageMb: 512,
  vpc: null,
  kmsKey: null,
  snapStart: false,
  variables: {KEPT: 'same', CHANGED: 'old-secret', LEFT: 'left-secret'},
};

it.each<[string, Partial<Expected>, readonly string[]]>([
  ['anything', {}, []],
  ['its image', {image: 'sha256:aa', imageUri: 'host/r@sha256:aa', codeSha256: 'abc='}, []],
  ['its configuration', {configuration}, []],
  ['another image', {image: 'sha256:bb'}, ['its image is sha256:aa instead of sha256:bb']],
  [
    'another repository',
    {imageUri: 'host/s@sha256:aa'},
    ['its image is host/r@sha256:aa instead of host/s@sha256:aa'],
  ],
  ['another archive', {codeSha256: 'def='}, ['its CodeSha256 is abc= instead of def=']],
  ['a mark', {nonce: 'n1'}, ['its variable THAW_NONCE is not known instead of n1']],
  [
    'other settings',
    {configuration: {...configuration, memoryMb: 1024, vpc: {subnets: ['subnet-1'], securityGroups: []}}},
    [
      'its memoryMb is 512 instead of 1024',
      'its vpc is null instead of {"subnets":["subnet-1"],"securityGroups":[]}',
    ],
  ],
  [
    'other variables',
    {configuration: {...configuration, variables: {KEPT: 'same', CHANGED: 'new-secret', NEW: 'a-secret'}}},
    ['its variable CHANGED has another value', 'its variable LEFT is left', 'its variable NEW is missing'],
  ],
])('what is not as expected is said without values of the environment: %s', (_, change, says) => {
  const expected = {...anything, ...change};
  expect(unlikeExpected(latest, expected)).toEqual(says);
  expect(isAsExpected(latest, expected)).toBe(says.length === 0);
});
