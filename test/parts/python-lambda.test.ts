import {afterEach, describe, expect, it} from 'vitest';
import {testLambda} from '../runtime/lambda-suite.ts';
import {httpEvent, loadBalancerEvent, restEvent, s3Event, sqsEvent} from '../runtime/lambda-events.ts';
import {
  answerOf,
  eventually,
  evidenceOf,
  linesOf,
  openLambdaBench,
  type Facts,
} from '../runtime/on-lambda.ts';
import {pythonRuntime} from '../python-instance.ts';

const OBEYING = `
import json, os, threading, time

def predict(input, context):
    do = input.get('do') if isinstance(input, dict) else None
    if do == 'score':
        return {'score': context.model.run({'features': [input['features']]})['score'].item()}
    if do == 'throw':
        raise TypeError('the dog ate ' + input['what'])
    if do == 'exit':
        os._exit(7)
    if do == 'never':
        print('begun')
        threading.Event().wait()
    if do == 'sleep':
        print('begun')
        time.sleep(input['ms'] / 1000)
        return 'slept'
    if do == 'fill':
        return 'x' * input['bytes']
    if do == 'trace':
        return os.environ.get('_X_AMZN_TRACE_ID')
    if do == 'nothing':
        return None
    print(json.dumps({'seen': {'input': input, 'source': context.source, 'event': context.event}}))
    return {
        'input': input,
        'requestId': context.request_id,
        'deadlineMs': context.deadline_ms,
        'source': context.source,
        'event': context.event,
        'headers': context.headers,
    }
`;

testLambda(pythonRuntime, {
  obeying: OBEYING,
  failing: {source: `def predict(input): raise ValueError('no')`, errorType: 'ValueError'},
  broken: [
    ['a handler that raises while it loads', `raise RuntimeError('no licence')`, 'no licence'],
    ['a handler without predict', `other = 1`, 'predict'],
    ['a handler that ends the process', `import sys; sys.exit(3)`, 'code 3'],
    ['a handler that is no Python', `def predict(input:`, 'app.py, line 1'],
  ],
  frame: /app\.py", line \d+, in predict/,
});

const bench = openLambdaBench(pythonRuntime);
afterEach(() => bench.close());

describe('a handler of Lambda’s own kind on Lambda', () => {
  /** Does what the event says, wherever that says it. */
  const TUTORIAL = `
import decimal, json, os, sys
import numpy as np

class Missing(Exception):
    pass

def lambda_handler(event, context):
    print(json.dumps({'seen': event}))
    body = event.get('body') if isinstance(event, dict) else None
    asked = json.loads(body) if isinstance(body, str) and body.startswith('{') else event
    do = asked.get('do') if isinstance(asked, dict) else None
    if do == 'status':
        return {'statusCode': 201, 'headers': {'X-Own': 'yes', 'Server-Timing': 'own;dur=1'}, 'body': 'made'}
    if do == 'several':
        return {'statusCode': 200, 'multiValueHeaders': {'x-own': ['a', 'b']}, 'body': ''}
    if do == 'headers':
        return {'statusCode': 200, 'headers': asked['headers'], 'cookies': ['a=1'], 'body': 'x'}
    if do == 'text':
        return 'grün'
    if do == 'nothing':
        return None
    if do == 'arrays':
        return {'row': np.arange(3, dtype=np.float32), 'one': np.float64(0.5), 'whole': np.int64(7), 'nan': np.nan}
    if do == 'numbers':
        return {'big': 2**60, 'exact': decimal.Decimal('1.5')}
    if do == 'bytes':
        return b'x'
    if do == 'raise':
        raise Missing('no ' + asked['what'])
    if do == 'exit':
        sys.exit(4)
    if do == 'fill':
        return 'x' * asked['bytes']
    if do == 'context':
        identity, client = context.identity, context.client_context
        return {
            'name': context.function_name,
            'version': context.function_version,
            'arn': context.invoked_function_arn,
            'memory': context.memory_limit_in_mb,
            'id': context.aws_request_id,
            'group': context.log_group_name,
            'stream': context.log_stream_name,
            'left': context.get_remaining_time_in_millis(),
            'identity': [identity.cognito_identity_id, identity.cognito_identity_pool_id],
            'client': None if client is None else [client.client.app_title, client.custom, client.env],
            'tenant': context.tenant_id,
            'trace': os.environ.get('_X_AMZN_TRACE_ID'),
            'root': os.environ['LAMBDA_TASK_ROOT'] == os.path.dirname(os.path.abspath(__file__)),
        }
    return event
`;

  it('gets every event whole, and its result goes back as it is', async () => {
    const {api, server} = await bench.open(TUTORIAL);
    const events = [
      {a: [1, 2.5, null, true]},
      [1],
      '"text"',
      'null',
      sqsEvent([{n: 1}, 'text'], 'orders.fifo'),
      s3Event('in/a b.json'),
    ];
    for (const event of events) {
      const {kind, text} = await api.invoke(event);
      expect(kind).toBe('response');
      expect(JSON.parse(text)).toEqual(typeof event === 'string' ? JSON.parse(event) : event);
    }
    const evidence = await evidenceOf(server, events.length);
    expect(evidence.map((line) => line['thaw-ordinal'])).toEqual(['1', '2', '3', '4', '5', '6']);
    expect(evidence[0]?.['server-timing']).toMatch(/^boot;dur=.*import;dur=.*infer;dur=/);
    expect(linesOf(server).filter((line) => 'seen' in line)).toHaveLength(events.length);
  });

  it('may return whatever its packages make of it', async () => {
    const {api} = await bench.open(TUTORIAL);
    const told = async (event: object): Promise<string> => (await api.invoke(event)).text;
    expect(await told({do: 'text'})).toBe('"grün"');
    expect(await told({do: 'nothing'})).toBe('null');
    expect(JSON.parse(await told({do: 'arrays'}))).toEqual({row: [0, 1, 2], one: 0.5, whole: 7, nan: null});
    expect(await told({do: 'numbers'})).toBe('{"big":1152921504606846976,"exact":1.5}');
    expect(await told({do: 'status'})).toContain('"headers":{"X-Own":"yes","Server-Timing":"own;dur=1"}');
    expect(await api.invoke({do: 'bytes'})).toMatchObject({kind: 'error', errorType: 'Function.TypeError'});
    const large = await api.invoke({do: 'fill', bytes: 7 * 2 ** 20});
    expect(large).toMatchObject({kind: 'error', errorType: 'Function.ResponseSizeTooLarge'});
  });

  it('is told all that Lambda says', async () => {
    const {api} = await bench.open(TUTORIAL, {
      AWS_LAMBDA_FUNCTION_NAME: 'scores',
      AWS_LAMBDA_FUNCTION_VERSION: '7',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '512',
      AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/scores',
      AWS_LAMBDA_LOG_STREAM_NAME: '2026/03/12/[7]abc',
    });
    const client = {client: {app_title: 'Scores für alle'}, custom: {a: 1}, env: {locale: 'de'}};
    const outcome = await api.invoke(
      {do: 'context'},
      {
        'lambda-runtime-client-context': Buffer.from(JSON.stringify(client)).toString('latin1'),
        'lambda-runtime-cognito-identity': '{"cognitoIdentityId":"me","cognitoIdentityPoolId":"pool"}',
        'lambda-runtime-aws-tenant-id': 'tenant-1',
      },
    );
    const {left, ...seen} = JSON.parse(outcome.text) as Facts;
    expect(seen).toEqual({
      name: 'scores',
      version: '7',
      arn: 'arn:aws:lambda:eu-central-1:123456789012:function:demo',
      memory: '512',
      id: outcome.requestId,
      group: '/aws/lambda/scores',
      stream: '2026/03/12/[7]abc',
      identity: ['me', 'pool'],
      client: ['Scores für alle', {a: 1}, {locale: 'de'}],
      tenant: 'tenant-1',
      trace: `Root=1-${outcome.requestId}`,
      root: true,
    });
    expect(Number(left)).toBeGreaterThan(0);
    expect(Number(left)).toBeLessThanOrEqual(30_000);
    expect(JSON.parse((await api.invoke({do: 'context'})).text)).toMatchObject({
      identity: [null, null],
      client: null,
      tenant: null,
    });
  });

  it('gets requests whole, and evidence goes with its answers', async () => {
    const {api, server} = await bench.open(TUTORIAL);
    const event = {
      ...httpEvent('PUT', '/any/where', 'AAEC'),
      isBase64Encoded: true,
    };
    const whole = answerOf(await api.invoke(event));
    expect(whole).toMatchObject({
      statusCode: 200,
      headers: {'content-type': 'application/json', 'thaw-boot': server.bootId, 'thaw-ordinal': '1'},
      isBase64Encoded: false,
    });
    expect(JSON.parse(whole.body)).toEqual(event);
    const text = answerOf(await api.invoke(httpEvent('POST', '/', {do: 'text'})));
    expect(text).toMatchObject({statusCode: 200, body: '"grün"'});
    const made = answerOf(await api.invoke(httpEvent('POST', '/', {do: 'status'})));
    expect(made).toMatchObject({
      statusCode: 201,
      body: 'made',
      headers: {
        'X-Own': 'yes',
        'thaw-ordinal': '3',
        'server-timing': expect.stringMatching(/^infer;dur=[\d.]+, own;dur=1$/) as string,
      },
    });
    expect(made.headers['Server-Timing']).toBeUndefined();
    expect(made).not.toHaveProperty('isBase64Encoded');
    const rest = answerOf(await api.invoke(restEvent('POST', '/', {do: 'several'})));
    expect(rest).toMatchObject({
      multiValueHeaders: {'x-own': ['a', 'b']},
      headers: {'thaw-ordinal': '4'},
    });
    const balanced = answerOf(await api.invoke(loadBalancerEvent('POST', '/', {do: 'several'}, true)));
    expect(balanced).toMatchObject({multiValueHeaders: {'x-own': ['a', 'b'], 'thaw-ordinal': ['5']}});
    expect(balanced.headers).toBeUndefined();
    const encoded = await api.invoke(loadBalancerEvent('POST', '/', {do: 'nothing'}, true));
    expect(answerOf(encoded)).toMatchObject({statusCode: 200, body: 'null'});
    const odd = answerOf(await api.invoke(httpEvent('POST', '/', {do: 'headers', headers: 'odd'})));
    expect(odd).toEqual({statusCode: 200, headers: 'odd', cookies: ['a=1'], body: 'x'});
    const none = answerOf(await api.invoke(httpEvent('POST', '/', {do: 'headers', headers: null})));
    expect(none).toMatchObject({headers: {'thaw-ordinal': '8'}, cookies: ['a=1']});
  });

  it('leaves health checks and the model’s own routes to thaw', async () => {
    const {api, server} = await bench.open(TUTORIAL);
    expect(answerOf(await api.invoke(httpEvent('GET', '/healthz'))).body).toBe('{"status":"ok"}');
    const metadata = answerOf(await api.invoke(httpEvent('GET', '/v2/models/demo')));
    expect(JSON.parse(metadata.body)).toMatchObject({platform: 'onnxruntime_onnx'});
    const other = answerOf(await api.invoke(httpEvent('GET', '/v2/users')));
    expect(JSON.parse(other.body)).toMatchObject({rawPath: '/v2/users'});
    await evidenceOf(server, 2);
    expect(linesOf(server).filter((line) => 'seen' in line)).toHaveLength(1);
  });

  it('that fails is an error with the class, the message and the trace of what it raised', async () => {
    const {api, server} = await bench.open(TUTORIAL);
    for (const event of [{do: 'raise', what: 'way'}, httpEvent('POST', '/', {do: 'raise', what: 'way'})]) {
      const raised = await api.invoke(event);
      expect(raised).toMatchObject({kind: 'error', errorType: 'Function.Missing'});
      const error = JSON.parse(raised.text) as {stackTrace: string[]};
      expect(error).toMatchObject({errorType: 'Missing', errorMessage: 'no way'});
      expect(error.stackTrace).toHaveLength(1);
      expect(error.stackTrace[0]).toMatch(/app\.py", line \d+, in lambda_handler\n +raise Missing/);
    }
    const ended = await api.invoke({do: 'exit'});
    expect(ended).toMatchObject({kind: 'error', errorType: 'Function.SystemExit'});
    expect(await api.invoke({do: 'nothing'})).toMatchObject({kind: 'response', text: 'null'});
    const logged = await eventually(() => linesOf(server).find((line) => line['level'] === 'error'));
    expect(logged['stack']).toContain('raise Missing');
  });

  it('may be async, or a class', async () => {
    const asynchronous = await bench.open(`
import asyncio
async def handler(event, context):
    await asyncio.sleep(0.01)
    return {'id': context.aws_request_id}
`);
    const outcome = await asynchronous.api.invoke({});
    expect(JSON.parse(outcome.text)).toEqual({id: outcome.requestId});
    const made = await bench.open(`
class Predictor:
    def load(self):
        self.loaded = True
    def predict(self, input):
        return [self.loaded, input]
`);
    expect(await made.api.invoke({n: 1})).toMatchObject({text: '[true,{"n":1}]'});
  });
});

describe('the end on Lambda with Python', () => {
  it('comes with a handler that ends the process', async () => {
    const {api, server} = await bench.open(OBEYING);
    void api.invoke({do: 'exit'});
    expect(await server.ended).toEqual({code: 7, signal: null});
  });

  it('comes after the answer, even of a handler that holds the interpreter', async () => {
    const {api, server} = await bench.open(`
import time
def predict(input):
    print('begun')
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass
    return 'computed'
`);
    const answer = api.invoke({});
    await eventually(() => server.stdout.find((line) => line === 'begun'));
    server.child.kill('SIGTERM');
    expect(await answer).toMatchObject({kind: 'response', text: '"computed"'});
    expect(await server.ended).toEqual({code: 0, signal: null});
  });
});
