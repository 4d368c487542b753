import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import type {RunningServer} from '../instance.ts';
import {testAzure} from '../runtime/azure-suite.ts';
import {pythonRuntime} from '../python-instance.ts';

testAzure(
  pythonRuntime,
  `
import json

def predict(input, context):
    do = input.get('do') if isinstance(input, dict) else None
    if do == 'score':
        return context.model.run({'features': [input['features']]})['score'].item()
    if do == 'throw':
        raise TypeError('the dog ate it')
    print(json.dumps({'seen': input}, separators=(',', ':')))
    return {'input': input, 'source': context.source, 'event': context.event, 'headers': context.headers}
`,
);

describe('a handler of Lambda’s own kind on Azure', () => {
  let server: RunningServer;
  beforeAll(async () => {
    const handler = `
def lambda_handler(event, context):
    if isinstance(event, dict) and 'rawPath' in event:
        return {'statusCode': 202, 'headers': {'x-own': 'yes'}, 'body': event['rawPath'] + ' ' + event['body']}
    if event == 'raise':
        raise ValueError('no way')
    return {'event': event}
`;
    const environment = {FUNCTIONS_CUSTOMHANDLER_PORT: '0'};
    server = await pythonRuntime.start(await pythonRuntime.lay(handler), environment);
  });
  afterAll(() => server.stop());

  const post = (path: string, body: unknown): Promise<Response> =>
    fetch(server.url + path, {
      method: 'POST',
      headers: {'content-type': 'application/json'},
      body: JSON.stringify(body),
    });

  it('gets requests as a function URL hands them over, forwarded or enclosed', async () => {
    const forwarded = await post('/api/score', {n: 1});
    expect([forwarded.status, await forwarded.text()]).toEqual([202, '/api/score {"n":1}']);
    expect(forwarded.headers.get('x-own')).toBe('yes');
    expect(forwarded.headers.get('thaw-boot')).toBe(server.bootId);
    const request = {Url: 'https://demo.azurewebsites.net/api/score', Method: 'POST', Headers: {}, Body: 'x'};
    const enclosed = await post('/score', {Data: {req: request}, Metadata: {}});
    expect(await enclosed.json()).toMatchObject({
      Outputs: {
        res: {
          statusCode: 202,
          headers: {'x-own': 'yes', 'thaw-boot': server.bootId},
          body: '/api/score x',
        },
      },
    });
    const health = await fetch(`${server.url}/api/score/healthz`);
    expect([health.status, health.headers.get('thaw-ordinal')]).toEqual([200, null]);
    await health.text();
    const metadata = await fetch(`${server.url}/api/score/v2/models/demo`);
    expect(await metadata.json()).toMatchObject({platform: 'onnxruntime_onnx'});
  });

  it('gets what triggers carry as its events', async () => {
    const message = {Data: {item: '{"n": 1}'}, Metadata: {DequeueCount: '1'}};
    const taken = await post('/score', message);
    expect([taken.status, await taken.json()]).toEqual([
      200,
      {Outputs: {}, Logs: [], ReturnValue: {event: {n: 1}}},
    ]);
    const failed = await post('/score', {Data: {item: 'raise'}, Metadata: {DequeueCount: '1'}});
    expect([failed.status, await failed.json()]).toEqual([
      500,
      {Outputs: {}, Logs: ['a record of storage-queue failed: no way'], ReturnValue: null},
    ]);
  });
});
