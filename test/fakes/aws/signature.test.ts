import {GetCallerIdentityCommand, STSClient} from '@aws-sdk/client-sts';
import {ListFunctionsCommand, LambdaClient} from '@aws-sdk/client-lambda';
import {DescribeRepositoriesCommand, ECRClient} from '@aws-sdk/client-ecr';
import {GetBucketNotificationConfigurationCommand, S3Client} from '@aws-sdk/client-s3';
import {describe, expect, it} from 'vitest';
import {createSigV4} from '../../../src/providers/aws/calls/sigv4.ts';
import {connection, openForTest, refusal} from './open-for-test.ts';

const CONTROL_ONLY = {runs: false} as const;

describe('who asks', () => {
  it('is told who he is', async () => {
    const {aws} = await openForTest(CONTROL_ONLY);
    const sts = new STSClient(connection(aws));
    const {Account, Arn} = await sts.send(new GetCallerIdentityCommand({}));
    expect([Account, Arn]).toEqual(['123456789012', 'arn:aws:iam::123456789012:user/tester']);
  });

  it('must sign with the secret that belongs to the key', async () => {
    const {aws} = await openForTest(CONTROL_ONLY);
    const credentials = {accessKeyId: aws.account.accessKeyId, secretAccessKey: 'another'};
    const wrong = {...connection(aws), credentials};
    const asked = {
      lambda: () => new LambdaClient(wrong).send(new ListFunctionsCommand({})),
      sts: () => new STSClient(wrong).send(new GetCallerIdentityCommand({})),
      ecr: () => new ECRClient(wrong).send(new DescribeRepositoriesCommand({})),
      s3: () => new S3Client(wrong).send(new GetBucketNotificationConfigurationCommand({Bucket: 'b'})),
    };
    const names = {lambda: '', sts: '', ecr: '', s3: ''};
    for (const [service, call] of Object.entries(asked)) {
      const {name, status} = await refusal(call());
      expect(status, service).toBe(403);
      Object.assign(names, {[service]: name});
    }
    expect(names).toEqual({
      lambda: 'InvalidSignatureException',
      sts: 'SignatureDoesNotMatch',
      ecr: 'InvalidSignatureException',
      s3: 'SignatureDoesNotMatch',
    });
  });

  it('must not send another body than was signed', async () => {
    const {aws} = await openForTest(CONTROL_ONLY);
    const {credentials, region} = connection(aws);
    const sign = createSigV4({region, service: 'sts', credentials: async () => credentials});
    const signed = 'Action=GetCallerIdentity&Version=2011-06-15';
    const headers = {'content-type': 'application/x-www-form-urlencoded'};
    const request = {method: 'POST', url: `${aws.url}/`, headers, body: Buffer.from(signed)};
    const signature = await sign(request);
    const send = (body: string) =>
      fetch(`${aws.url}/`, {method: 'POST', headers: {...headers, ...signature.headers}, body});
    expect((await send(signed)).status).toBe(200);
    expect((await send(`${signed} `)).status).toBe(403);
    const unsigned = await fetch(`${aws.url}/`, {method: 'POST', headers, body: signed});
    expect([unsigned.status, unsigned.headers.get('x-amzn-errortype')]).toEqual([
      403,
      'MissingAuthenticationTokenException',
    ]);
  });

  it('must sign now, and not some time', async () => {
    const {aws} = await openForTest(CONTROL_ONLY);
    const {credentials, region} = connection(aws);
    const now = () => Date.now() - 3_600_000;
    const sign = createSigV4({region, service: 'lambda', credentials: async () => credentials, now});
    const url = `${aws.url}/2015-03-31/functions/`;
    const {headers} = await sign({method: 'GET', url, headers: {}, body: null});
    const answer = await fetch(url, {headers});
    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain('expired');
  });

  it('is refused with keys that nobody knows, that have run out, or that are for another region', async () => {
    const {aws, lambda} = await openForTest(CONTROL_ONLY);
    const list = () => new ListFunctionsCommand({});
    const stranger = {accessKeyId: 'AKIASTRANGER', secretAccessKey: 'x'};
    const unknown = new LambdaClient({...connection(aws), credentials: stranger});
    expect((await refusal(unknown.send(list()))).name).toBe('UnrecognizedClientException');
    const elsewhere = new LambdaClient({...connection(aws), region: 'us-east-1'});
    expect((await refusal(elsewhere.send(list()))).name).toBe('UnrecognizedClientException');
    aws.account.expired = true;
    expect(await refusal(lambda.send(list()))).toMatchObject({name: 'ExpiredTokenException', status: 403});
    const sts = new STSClient(connection(aws));
    expect((await refusal(sts.send(new GetCallerIdentityCommand({})))).name).toBe('ExpiredToken');
  });

  it('must bring the session token where there is one', async () => {
    const {aws} = await openForTest(CONTROL_ONLY);
    const before = connection(aws);
    aws.account.sessionToken = 'a-token/with+signs';
    const list = () => new ListFunctionsCommand({});
    await new LambdaClient(connection(aws)).send(list());
    expect((await refusal(new LambdaClient(before).send(list()))).name).toBe('UnrecognizedClientException');
  });
});

describe('permissions', () => {
  it('that are missing are named with who asked, the action and the resource', async () => {
    const {aws, lambda} = await openForTest(CONTROL_ONLY);
    aws.account.deny('lambda:ListFunctions');
    aws.account.deny('ecr:DescribeRepositories');
    const denied = await refusal(lambda.send(new ListFunctionsCommand({})));
    expect(denied).toEqual({
      name: 'AccessDeniedException',
      status: 403,
      message:
        'User: arn:aws:iam::123456789012:user/tester is not authorized to perform: lambda:ListFunctions on resource: * because no identity-based policy allows the lambda:ListFunctions action',
    });
    const ecr = new ECRClient(connection(aws));
    const one = new DescribeRepositoriesCommand({repositoryNames: ['a']});
    expect(await refusal(ecr.send(one))).toMatchObject({name: 'AccessDeniedException', status: 400});
    aws.account.allow();
    await lambda.send(new ListFunctionsCommand({}));
  });
});
