import * as L from '@aws-sdk/client-lambda';
import {CreateRoleCommand} from '@aws-sdk/client-iam';
import {describe, expect, it} from 'vitest';
import {createSigV4} from '../../../src/providers/aws/calls/sigv4.ts';
import {connection, openForTest, refusal, type TestAws} from './open-for-test.ts';

type Change = Partial<L.CreateFunctionCommandInput>;

async function refusedWith(test: TestAws, change: Change): Promise<Awaited<ReturnType<typeof refusal>>> {
  const Role = test.aws.roles.plant('role');
  const Code = {ImageUri: await test.pushed()};
  const input = {FunctionName: 'scoring', Role, Code, PackageType: 'Image', MemorySize: 512} as const;
  return refusal(test.lambda.send(new L.CreateFunctionCommand({...input, ...change})));
}

describe('what the schemas say', () => {
  it('refuses what is missing, by name', async () => {
    const {lambda, iam} = await openForTest({runs: false});
    const empty = new L.CreateFunctionCommand({FunctionName: 'f'} as L.CreateFunctionCommandInput);
    expect(await refusal(lambda.send(empty))).toEqual({
      name: 'ValidationException',
      status: 400,
      message:
        "2 validation errors detected: Value null at 'role' failed to satisfy constraint: Member must not be null; Value null at 'code' failed to satisfy constraint: Member must not be null",
    });
    const role = await refusal(iam.send(new CreateRoleCommand({RoleName: 'r'} as never)));
    expect(role).toMatchObject({name: 'ValidationError', status: 400});
    expect(role.message).toContain("'assumeRolePolicyDocument'");
  });

  it('refuses what is no member, and what is of another type', async () => {
    const {aws} = await openForTest({runs: false});
    const {credentials, region} = connection(aws);
    const sign = createSigV4({region, service: 'lambda', credentials: async () => credentials});
    const url = `${aws.url}/2015-03-31/functions`;
    const post = async (body: object) => {
      const bytes = Buffer.from(JSON.stringify(body));
      const headers = {'content-type': 'application/json'};
      const signed = await sign({method: 'POST', url, headers, body: bytes});
      const answer = await fetch(url, {
        method: 'POST',
        headers: {...headers, ...signed.headers},
        body: bytes,
      });
      return [answer.status, answer.headers.get('x-amzn-errortype'), await answer.text()];
    };
    const whole = {FunctionName: 'f', Role: 'r', Code: {ImageUri: 'i'}};
    const [status, type, text] = await post({...whole, Bogus: 1, MemorySize: '512'});
    expect([status, type]).toEqual([400, 'SerializationException']);
    expect(text).toContain('Bogus is no member');
    expect(text).toContain('MemorySize must be a number');
  });

  it('refuses values that are not among those that a member takes', async () => {
    const test = await openForTest({runs: false});
    const odd = await refusedWith(test, {Architectures: ['riscv' as L.Architecture]});
    expect(odd.name).toBe('ValidationException');
    expect(odd.message).toContain("Value 'riscv' at 'architectures'");
  });
});

describe('what else Lambda insists on', () => {
  const cases: [what: string, change: Change, name: string, message: string][] = [
    ['too little memory', {MemorySize: 64}, 'ValidationException', "'64' at 'memorySize'"],
    ['too much memory', {MemorySize: 20_000}, 'ValidationException', 'less than or equal to 10240'],
    ['too long a timeout', {Timeout: 901}, 'ValidationException', "'901' at 'timeout'"],
    ['a name that is none', {FunctionName: 'a b'}, 'ValidationException', "'functionName'"],
    [
      'an image with a runtime',
      {Runtime: 'nodejs22.x', Handler: 'a.b'},
      'InvalidParameterValueException',
      'PackageType is Image',
    ],
    [
      'a reserved variable',
      {Environment: {Variables: {AWS_REGION: 'x'}}},
      'InvalidParameterValueException',
      'Reserved keys used in this request: AWS_REGION',
    ],
    [
      'a variable of one letter',
      {Environment: {Variables: {A: 'x'}}},
      'ValidationException',
      'environment.variables',
    ],
    [
      'too many variables',
      {Environment: {Variables: {LONG: 'x'.repeat(4096)}}},
      'InvalidParameterValueException',
      '4KB',
    ],
    [
      'a role that nobody can take on',
      {Role: 'arn:aws:iam::123456789012:role/absent'},
      'InvalidParameterValueException',
      'cannot be assumed by Lambda',
    ],
    [
      'an image that is not there',
      {Code: {ImageUri: '127.0.0.1:1/x:latest'}},
      'InvalidParameterValueException',
      'does not exist. Provide a valid source image',
    ],
    [
      'a zip that is none',
      {PackageType: 'Zip', Runtime: 'nodejs22.x', Handler: 'a.b', Code: {ZipFile: Buffer.from('PK')}},
      'InvalidParameterValueException',
      'Could not unzip uploaded file',
    ],
    [
      'a zip without a runtime',
      {PackageType: 'Zip', Code: {ZipFile: Buffer.from('PK')}},
      'InvalidParameterValueException',
      'Runtime and Handler are mandatory',
    ],
  ];
  it.each(cases)('refuses %s', async (_, change, name, message) => {
    const refused = await refusedWith(await openForTest({runs: false}), change);
    expect(refused.name).toBe(name);
    expect(refused.message).toContain(message);
  });

  it('refuses more memory than a new account has', async () => {
    const test = await openForTest({runs: false});
    test.aws.account.memoryMbMax = 3008;
    const refused = await refusedWith(test, {MemorySize: 4096});
    expect(refused.message).toContain('Member must have value less than or equal to 3008');
  });

  it('refuses an index, and finds out later that a layer is not compressed', async () => {
    const test = await openForTest({runs: false});
    const uri = await test.pushed();
    const key = uri.slice(uri.indexOf('/') + 1);
    const kept = test.aws.registry.manifests.get(key);
    const type = 'application/vnd.oci.image.index.v1+json';
    test.aws.registry.manifests.set(key, {bytes: kept?.bytes ?? Buffer.of(), type});
    const index = await refusedWithUri(test, uri);
    expect(index.message).toContain('media type for the source image');
    if (kept) test.aws.registry.manifests.set(key, kept);

    const {layers} = JSON.parse(kept?.bytes.toString() ?? '') as {layers: {digest: string}[]};
    test.aws.registry.blobs.set(layers[0]?.digest ?? '', Buffer.from('a plain tar'));
    const Role = test.aws.roles.plant('role');
    const input = {FunctionName: 'f', Role, PackageType: 'Image', Code: {ImageUri: uri}} as const;
    await test.lambda.send(new L.CreateFunctionCommand(input));
    await test.pass(60_000);
    const {Configuration} = await test.lambda.send(new L.GetFunctionCommand({FunctionName: 'f'}));
    expect([Configuration?.State, Configuration?.StateReasonCode]).toEqual(['Failed', 'InvalidImage']);
    expect(Configuration?.StateReason).toContain('UnsupportedImageLayerDetected');
  });
});

async function refusedWithUri(test: TestAws, ImageUri: string) {
  const Role = test.aws.roles.plant('role');
  const input = {FunctionName: 'f', Role, PackageType: 'Image', Code: {ImageUri}} as const;
  return refusal(test.lambda.send(new L.CreateFunctionCommand(input)));
}
