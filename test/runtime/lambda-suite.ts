// What every runtime does on Lambda.
import {readdir, rm} from 'node:fs/promises';
import {afterEach, describe, expect, it} from 'vitest';
import type {RunningServer} from '../instance.ts';
import {
  httpEvent,
  loadBalancerEvent,
  restEvent,
  s3Event,
  scheduleEvent,
  sqsEvent,
  kinesisEvent,
  dynamoEvent,
} from './lambda-events.ts';
import {answerOf, eventually, evidenceOf, linesOf, openLambdaBench, type Facts} from './on-lambda.ts';
import type {RuntimeUnderTest} from './runtime-under-test.ts';

const ROW = {inputs: [{name: 'features', shape: [1, 4], datatype: 'FP32', data: [1, 1, 1, 1]}]};

/** The handlers of this suite, in the runtime's language. */
export interface LambdaHandlers {
  /** Does what its input says, and tells what it was given. */
  readonly obeying: string;
  /** Raises the same error whatever it is given, and the class of that. */
  readonly failing: {readonly source: string; readonly errorType: string};
  /** What cannot be served, and a word of what is said of it. */
  readonly broken: readonly (readonly [what: string, source: string, word: string])[];
  /** Where a stack names the handler. */
  readonly frame: RegExp;
}

const seenBy = (server: RunningServer): Facts[] =>
  linesOf(server).flatMap((line) => (line['seen'] === undefined ? [] : [line['seen'] as Facts]));

/** Declares the tests of one runtime. */
export function testLambda(runtime: RuntimeUnderTest, handlers: LambdaHandlers): void {
  const bench = openLambdaBench(runtime);
  afterEach(() => bench.close());

  describe('requests that Lambda hands over', () => {
    it('are answered with evidence, which is the last line of the log as well', async () => {
      const {api, server} = await bench.open(null);
      const outcome = await api.invoke(httpEvent('POST', '/', ROW));
      const answer = answerOf(outcome);
      expect(answer).toMatchObject({statusCode: 200, isBase64Encoded: false});
      expect(JSON.parse(answer.body)).toEqual({
        model_name: 'demo',
        outputs: [{name: 'score', shape: [1, 1], datatype: 'FP32', data: [10.5]}],
      });
      expect(answer.headers).toMatchObject({
        'content-type': 'application/json',
        'thaw-boot': server.bootId,
        'thaw-ordinal': '1',
        'thaw-image': 'sha256:abc',
        'server-timing': expect.stringMatching(
          /^boot;dur=.*import;dur=.*load;dur=.*wait;dur=.*infer;dur=/,
        ) as string,
      });
      expect(Number(answer.headers['thaw-boot-age'])).toBeGreaterThan(0);
      const [evidence] = await evidenceOf(server, 1);
      expect(evidence).toEqual({
        event: 'evidence',
        requestId: outcome.requestId,
        ...Object.fromEntries(Object.entries(answer.headers).filter(([name]) => name !== 'content-type')),
      });
      const second = answerOf(await api.invoke(httpEvent('POST', '/', ROW)));
      expect(second.headers['thaw-ordinal']).toBe('2');
      expect(second.headers['server-timing']).toMatch(/^infer;dur=/);
    });

    it('keep to one connection for as long as nobody cuts it', async () => {
      const {api} = await bench.open(null);
      for (let count = 0; count < 5; count += 1) await api.invoke(httpEvent('POST', '/', ROW));
      await api.called('GET invocation/next', 6);
      expect(api.connections()).toBe(1);
    });

    it('go the same ways as plain HTTP', async () => {
      const {api} = await bench.open(null);
      const ask = async (...request: Parameters<typeof httpEvent>): Promise<[number, Facts]> => {
        const {statusCode, body} = answerOf(await api.invoke(httpEvent(...request)));
        return [statusCode, JSON.parse(body) as Facts];
      };
      expect(await ask('POST', '/v2/models/demo/infer', ROW)).toMatchObject([200, {model_name: 'demo'}]);
      expect(await ask('GET', '/v2/models/demo')).toMatchObject([200, {platform: 'onnxruntime_onnx'}]);
      expect(await ask('GET', '/nowhere')).toMatchObject([404, {error: {code: 'UNKNOWN_ROUTE'}}]);
      expect(await ask('GET', '/')).toMatchObject([405, {error: {code: 'WRONG_METHOD'}}]);
      expect(await ask('POST', '/', '{"inputs":')).toMatchObject([400, {error: {code: 'BAD_JSON'}}]);
      expect(await ask('POST', '/')).toMatchObject([400, {error: {code: 'BAD_JSON'}}]);
      expect(await ask('POST', '/', {inputs: []})).toMatchObject([422, {error: {code: 'MISSING_INPUT'}}]);
    });

    it('count from the first that is no health check', async () => {
      const {api, server} = await bench.open(null);
      for (const path of ['/healthz', '/v2/health/live', '/v2/health/ready', '/v2/models/demo/ready']) {
        const answer = answerOf(await api.invoke(httpEvent('GET', path)));
        expect(answer).toMatchObject({statusCode: 200, body: '{"status":"ok"}'});
        expect(answer.headers['thaw-ordinal']).toBeUndefined();
      }
      expect(answerOf(await api.invoke(httpEvent('POST', '/', ROW))).headers['thaw-ordinal']).toBe('1');
      expect(await evidenceOf(server, 1)).toHaveLength(1);
    });

    it('come as text or base64, with cookies, under a stage, and keep their own id', async () => {
      const {api} = await bench.open(handlers.obeying);
      const body = {text: 'grün'};
      const event = httpEvent('POST', '/', body);
      const encoded = {
        ...event,
        rawPath: '/prod',
        requestContext: {...event.requestContext, stage: 'prod'},
        body: Buffer.from(JSON.stringify(body)).toString('base64'),
        isBase64Encoded: true,
        cookies: ['a=1', 'b=2'],
        headers: {'X-Request-Id': 'mine', accept: 'application/json'},
      };
      const outcome = await api.invoke(encoded);
      const seen = JSON.parse(answerOf(outcome).body) as Facts;
      expect(seen).toMatchObject({
        input: body,
        source: 'http',
        event: null,
        requestId: 'mine',
        headers: {'x-request-id': 'mine', accept: 'application/json', cookie: 'a=1; b=2'},
      });
      expect(Number(seen['deadlineMs'])).toBeGreaterThan(Date.now());
      const plain = await api.invoke(event);
      expect(JSON.parse(answerOf(plain).body)).toMatchObject({input: body, requestId: plain.requestId});
    });

    it('come from REST APIs and load balancers too, which take answers of their own kind', async () => {
      const {api} = await bench.open(handlers.obeying);
      const rest = answerOf(await api.invoke(restEvent('POST', '/', {n: 1})));
      expect(rest).toMatchObject({statusCode: 200, headers: {'thaw-ordinal': '1'}, isBase64Encoded: false});
      expect(JSON.parse(rest.body)).toMatchObject({input: {n: 1}, headers: {accept: 'a, b', 'x-one': '1'}});
      const single = answerOf(await api.invoke(loadBalancerEvent('POST', '/', {n: 2}, false)));
      expect(single).toMatchObject({statusCode: 200, headers: {'thaw-ordinal': '2'}});
      expect(single.multiValueHeaders).toBeUndefined();
      const several = answerOf(await api.invoke(loadBalancerEvent('POST', '/', {n: 3}, true)));
      expect(several).toMatchObject({statusCode: 200, multiValueHeaders: {'thaw-ordinal': ['3']}});
      expect(several.headers).toBeUndefined();
      expect(JSON.parse(several.body)).toMatchObject({input: {n: 3}, headers: {accept: 'a, b'}});
    });

    it('that fail, or whose answer is too large, get an answer that says so, and no stack', async () => {
      const {api, server} = await bench.open(handlers.obeying);
      const thrown = answerOf(await api.invoke(httpEvent('POST', '/', {do: 'throw', what: 'it'})));
      expect(thrown.statusCode).toBe(500);
      expect(JSON.parse(thrown.body)).toMatchObject({error: {code: 'HANDLER_FAILED'}});
      expect(thrown.body).not.toContain('dog');
      const log = await eventually(() => linesOf(server).find((line) => line['level'] === 'error'));
      expect(log['stack']).toContain('the dog ate it');

      const large = answerOf(await api.invoke(httpEvent('POST', '/', {do: 'fill', bytes: 7 * 2 ** 20})));
      expect(large.statusCode).toBe(500);
      expect(JSON.parse(large.body)).toMatchObject({error: {code: 'ANSWER_TOO_LARGE'}});
      expect(large.headers['thaw-ordinal']).toBe('2');
      const fitting = answerOf(await api.invoke(httpEvent('POST', '/', {do: 'fill', bytes: 6_000_000})));
      expect(fitting.body).toHaveLength(6_000_002);
    });

    it('may be as large as Lambda lets them be, or as the environment says', async () => {
      const {api} = await bench.open(handlers.obeying, {THAW_REQUEST_BYTES_MAX: '4000000'});
      const fitting = httpEvent('POST', '/', {text: 'x'.repeat(3_900_000)});
      const answer = answerOf(await api.invoke(fitting));
      expect(answer.statusCode).toBe(200);
      expect(answer.body.length).toBeGreaterThan(3_900_000);
      const encoded = {
        ...fitting,
        body: Buffer.alloc(4_000_001, ' ').toString('base64'),
        isBase64Encoded: true,
      };
      const refused = answerOf(await api.invoke(encoded));
      expect(refused).toMatchObject({statusCode: 413});
      expect(JSON.parse(refused.body)).toMatchObject({error: {code: 'TOO_LARGE'}});
    });
  });

  describe('a direct call on Lambda', () => {
    it('gives its event to predict and gets the plain result', async () => {
      const {api, server} = await bench.open(handlers.obeying);
      const outcome = await api.invoke({do: 'score', features: [1, 1, 1, 1]});
      expect(outcome).toMatchObject({kind: 'response', text: '{"score":10.5}'});
      const [evidence] = await evidenceOf(server, 1);
      expect(evidence).toMatchObject({requestId: outcome.requestId, 'thaw-ordinal': '1'});
      expect(await api.invoke({do: 'trace'})).toMatchObject({text: '"Root=1-request-2"'});
      expect(await api.invoke({do: 'trace'}, {'lambda-runtime-trace-id': ''})).toMatchObject({text: 'null'});
      for (const event of [
        {a: 1},
        {Records: []},
        {Records: [1]},
        {requestContext: {}},
        [1],
        'null',
        '"text"',
      ]) {
        const seen = await api.invoke(event);
        const input = typeof event === 'string' ? (JSON.parse(event) as unknown) : event;
        expect(JSON.parse(seen.text)).toMatchObject({input, source: 'invoke', event: null});
      }
      expect(await api.invoke({do: 'nothing'})).toMatchObject({kind: 'response', text: 'null'});
    });

    it('speaks tensors where there is no handler', async () => {
      const {api} = await bench.open(null);
      expect(await api.invoke(ROW)).toMatchObject({kind: 'response'});
      const refused = await api.invoke({inputs: []});
      expect(refused).toMatchObject({kind: 'error', errorType: 'Function.MissingInput'});
      expect(JSON.parse(refused.text)).toMatchObject({errorType: 'MISSING_INPUT', stackTrace: []});
    });

    it('that fails is an error of the function, with its stack in the log alone', async () => {
      const {api, server} = await bench.open(handlers.obeying);
      const thrown = await api.invoke({do: 'throw', what: 'it'});
      expect(thrown).toMatchObject({kind: 'error', errorType: 'Function.TypeError'});
      expect(JSON.parse(thrown.text)).toEqual({
        errorType: 'TypeError',
        errorMessage: 'the dog ate it',
        stackTrace: [],
      });
      const log = await eventually(() => linesOf(server).find((line) => line['level'] === 'error'));
      expect(log).toMatchObject({requestId: thrown.requestId});
      expect(log['stack']).toMatch(handlers.frame);
      expect(await api.invoke('{"half')).toMatchObject({kind: 'error', errorType: 'Function.BadJson'});
      const large = await api.invoke({do: 'fill', bytes: 7 * 2 ** 20});
      expect(JSON.parse(large.text)).toMatchObject({
        errorType: 'Function.ResponseSizeTooLarge',
        errorMessage: 'the answer has 7340034 bytes, and Lambda takes 6291556',
      });
      expect(await api.invoke({do: 'score', features: [0, 0, 0, 0]})).toMatchObject({kind: 'response'});
    });
  });

  describe('events of other services on Lambda', () => {
    it('of a queue fail one message at a time', async () => {
      const {api, server} = await bench.open(handlers.obeying);
      const bodies = [
        {do: 'score', features: [1, 1, 1, 1]},
        {do: 'throw', what: 'two'},
        'no JSON',
        {do: 'nothing'},
      ];
      const outcome = await api.invoke(sqsEvent(bodies));
      expect(outcome).toMatchObject({
        kind: 'response',
        text: '{"batchItemFailures":[{"itemIdentifier":"message-1"}]}',
      });
      await evidenceOf(server, 1);
      const failed = linesOf(server).find((line) =>
        String(line['message']).startsWith('a record of sqs failed'),
      );
      expect(failed).toMatchObject({requestId: outcome.requestId, record: 'message-1'});
      expect(seenBy(server)).toEqual([{input: 'no JSON', source: 'sqs', event: sqsEvent(bodies).Records[2]}]);
      expect(await api.invoke(sqsEvent([{do: 'nothing'}]))).toMatchObject({text: '{"batchItemFailures":[]}'});
      const evidence = await evidenceOf(server, 2);
      expect(evidence.map((line) => line['thaw-ordinal'])).toEqual(['1', '2']);
    });

    it('of a queue that keeps its order fail from the first that fails on', async () => {
      const {api} = await bench.open(handlers.obeying);
      const bodies = [{do: 'nothing'}, {do: 'throw', what: 'two'}, {do: 'nothing'}];
      const outcome = await api.invoke(sqsEvent(bodies, 'orders.fifo'));
      const ids = (JSON.parse(outcome.text) as {batchItemFailures: {itemIdentifier: string}[]})
        .batchItemFailures;
      expect(ids.map(({itemIdentifier}) => itemIdentifier)).toEqual(['message-1', 'message-2']);
    });

    it('of a stream stop at the first that fails, to go on from there', async () => {
      const {api, server} = await bench.open(handlers.obeying);
      const records = [{n: 1}, {do: 'throw', what: 'two'}, {n: 3}];
      expect(await api.invoke(kinesisEvent(records))).toMatchObject({
        kind: 'response',
        text: '{"batchItemFailures":[{"itemIdentifier":"sequence-1"}]}',
      });
      await evidenceOf(server, 1);
      expect(seenBy(server)).toMatchObject([{input: {n: 1}, source: 'kinesis'}]);
      expect(await api.invoke(dynamoEvent())).toMatchObject({text: '{"batchItemFailures":[]}'});
      await evidenceOf(server, 2);
      expect(seenBy(server).at(-1)).toMatchObject({
        source: 'dynamodb',
        input: {
          type: 'MODIFY',
          keys: {id: 7},
          newImage: {
            id: 7,
            name: 'x',
            tags: ['a', 'b'],
            deep: {list: [1.5, true, null]},
            big: '9007199254740993',
          },
          oldImage: null,
        },
      });
    });

    it('of a store or a schedule fail as a whole', async () => {
      const {api} = await bench.open(handlers.obeying);
      const stored = await api.invoke(s3Event('in/a b+ü.json'));
      expect(JSON.parse(stored.text)).toMatchObject({
        source: 's3',
        input: {bucket: 'photos', key: 'in/a b+ü.json', size: 1024, eTag: 'abc', type: 'ObjectCreated:Put'},
      });
      const scheduled = await api.invoke(scheduleEvent());
      expect(JSON.parse(scheduled.text)).toMatchObject({
        source: 'schedule',
        input: {},
        event: {'detail-type': 'Scheduled Event'},
      });

      const throwing = await bench.open(handlers.failing.source);
      expect(await throwing.api.invoke(s3Event('a'))).toMatchObject({
        kind: 'error',
        errorType: `Function.${handlers.failing.errorType}`,
      });
    });
  });

  describe('a start on Lambda', () => {
    it.each(handlers.broken)('says of %s why it fails, and ends', async (_what, handler, word) => {
      const api = await bench.openApi();
      const dir = await bench.lay(handler);
      const starting = bench.start(dir, {AWS_LAMBDA_RUNTIME_API: api.address});
      await expect(starting).rejects.toMatchObject({exitCode: 1, line: {event: 'failed'}});
      const error = await api.initError;
      expect(error.errorType).toBe('Runtime.HandlerInvalid');
      expect(JSON.parse(error.text)).toMatchObject({errorType: 'Runtime.HandlerInvalid', stackTrace: []});
      expect((JSON.parse(error.text) as {errorMessage: string}).errorMessage).toContain(word);
      expect(api.calls).toEqual(['POST init/error']);
    });

    it('says so of a model that is missing', async () => {
      const api = await bench.openApi();
      const dir = await bench.lay(null);
      for (const file of await readdir(`${dir}/opt/thaw/model`)) await rm(`${dir}/opt/thaw/model/${file}`);
      await expect(bench.start(dir, {AWS_LAMBDA_RUNTIME_API: api.address})).rejects.toMatchObject({
        exitCode: 1,
      });
      expect((await api.initError).errorType).toBe('Runtime.ModelInvalid');
    });

    it('that reaches no Runtime API ends with an error', async () => {
      const {address} = await bench.openApi();
      await bench.close();
      const dir = await bench.lay(null);
      const server = await bench.start(dir, {AWS_LAMBDA_RUNTIME_API: address});
      expect(await server.ended).toEqual({code: 1, signal: null});
      expect(linesOf(server).at(-1)).toMatchObject({
        level: 'error',
        message: expect.stringContaining('reached nobody') as string,
      });
    });

    it('for a snapshot waits to be restored, and goes on under a new id', async () => {
      const api = await bench.openApi();
      const dir = await bench.lay(null);
      const starting = bench.start(dir, {
        AWS_LAMBDA_RUNTIME_API: api.address,
        AWS_LAMBDA_INITIALIZATION_TYPE: 'snap-start',
      });
      await api.called('GET restore/next', 1);
      expect(api.calls).toEqual(['GET restore/next']);
      api.restore();
      const server = await starting;
      const {headers} = answerOf(await api.invoke(httpEvent('POST', '/', ROW)));
      expect(headers).toMatchObject({'thaw-boot': server.bootId, 'thaw-ordinal': '1', 'thaw-restored': '1'});
      expect(headers['server-timing']).toMatch(/^infer;dur=[\d.]+$/);
    });
  });

  describe('a Runtime API that breaks', () => {
    it('by cutting connections loses no event', async () => {
      const {api} = await bench.open(null, {}, (api) => api.fault('GET invocation/next', 'cut', 'cut'));
      expect(await api.invoke(httpEvent('POST', '/', ROW))).toMatchObject({kind: 'response'});
      api.fault('POST invocation/response', 'cut');
      expect(answerOf(await api.invoke(httpEvent('POST', '/', ROW))).statusCode).toBe(200);
      await api.called('GET invocation/next', 5);
      api.fault('GET invocation/next', 'cut in the middle');
      const answer = answerOf(await api.invoke(httpEvent('POST', '/', ROW)));
      expect(answer.headers['thaw-ordinal']).toBe('3');
    });

    it.each([500, 403])('by answering next with %d ends the process with an error', async (status) => {
      const {server} = await bench.open(handlers.obeying, {}, (opened) =>
        opened.fault('GET invocation/next', {status}),
      );
      expect(await server.ended).toEqual({code: 1, signal: null});
      expect(linesOf(server).at(-1)).toMatchObject({
        level: 'error',
        message: `GET invocation/next was answered with ${status} and no event`,
      });
    });

    it('by refusing an answer that is late, or too large after all, harms no later event', async () => {
      const {api, server} = await bench.open(handlers.obeying);
      api.fault('POST invocation/response', {status: 400});
      void api.invoke({do: 'nothing'}, {'lambda-runtime-deadline-ms': String(Date.now() - 1000)});
      await eventually(() =>
        linesOf(server).find((line) => String(line['message']).includes('its deadline has passed')),
      );
      api.fault('POST invocation/response', {status: 413});
      expect(await api.invoke({do: 'nothing'})).toMatchObject({
        kind: 'error',
        errorType: 'Function.ResponseSizeTooLarge',
      });
      expect(await api.invoke({do: 'nothing'})).toMatchObject({kind: 'response'});
      api.fault('POST invocation/response', {status: 500});
      void api.invoke({do: 'nothing'});
      expect(await server.ended).toEqual({code: 1, signal: null});
    });
  });

  describe('the end on Lambda', () => {
    it.runIf(process.platform !== 'win32')('comes at once while nothing is to do', async () => {
      const {api, server} = await bench.open(handlers.obeying);
      await api.called('GET invocation/next', 1);
      server.child.kill('SIGTERM');
      expect(await server.ended).toEqual({code: 0, signal: null});
    });

    it.runIf(process.platform !== 'win32')('comes after the answer that is under way', async () => {
      const {api, server} = await bench.open(handlers.obeying);
      const answer = api.invoke({do: 'sleep', ms: 500});
      await eventually(() => server.stdout.find((line) => line === 'begun'));
      server.child.kill('SIGTERM');
      expect(await answer).toMatchObject({kind: 'response', text: '"slept"'});
      expect(await server.ended).toEqual({code: 0, signal: null});
      expect(api.calls.filter((call) => call === 'GET invocation/next')).toHaveLength(1);
    });

    it('waits for no handler that never ends, once Lambda kills it', async () => {
      const {api, server} = await bench.open(handlers.obeying);
      void api.invoke({do: 'never'});
      await eventually(() => server.stdout.find((line) => line === 'begun'));
      server.child.kill('SIGKILL');
      await server.ended;
      expect(api.calls.filter((call) => call.startsWith('POST'))).toEqual([]);
    });
  });
}
