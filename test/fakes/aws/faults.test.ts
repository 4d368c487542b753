import {GetCallerIdentityCommand, STSClient} from '@aws-sdk/client-sts';
import * as L from '@aws-sdk/client-lambda';
import {getEventListeners} from 'node:events';
import {describe, expect, it} from 'vitest';
import {connection, openForTest, refusal} from './open-for-test.ts';

describe('a request', () => {
  it('fails as it is told to, once', async () => {
    const {aws, lambda} = await openForTest({runs: false});
    const list = () => lambda.send(new L.ListFunctionsCommand({}));
    aws.faults.at(0, 'throttle');
    aws.faults.at(1, '500');
    aws.faults.at(2, '503');
    aws.faults.at(3, 'reset');
    expect(await refusal(list())).toMatchObject({name: 'TooManyRequestsException', status: 429});
    expect(await refusal(list())).toMatchObject({name: 'ServiceException', status: 500});
    expect((await refusal(list())).status).toBe(503);
    expect((await refusal(list())).message).toMatch(/ECONNRESET|socket hang up|aborted/);
    await list();
    aws.faults.on('sts:GetCallerIdentity', 'throttle');
    const sts = new STSClient(connection(aws));
    await list();
    expect(await refusal(sts.send(new GetCallerIdentityCommand({})))).toMatchObject({
      name: 'Throttling',
      status: 400,
    });
    expect(aws.requests.map(({error, status}) => error ?? status)).toEqual([
      'TooManyRequestsException',
      'ServiceException',
      'ServiceUnavailableException',
      null,
      200,
      200,
      'Throttling',
    ]);
  });

  it('may have been done though its answer was lost, and reads may be spared', async () => {
    const test = await openForTest({runs: false});
    const name = await test.created();
    test.aws.faults.onNextWrite('reset after');
    await test.lambda.send(new L.GetFunctionCommand({FunctionName: name}));
    const change = new L.UpdateFunctionConfigurationCommand({FunctionName: name, Timeout: 9});
    expect((await refusal(test.lambda.send(change))).message).not.toBe('it was not refused');
    await test.pass(5000);
    const {Timeout} = await test.lambda.send(new L.GetFunctionConfigurationCommand({FunctionName: name}));
    expect(Timeout).toBe(9);
  });

  it('fails with whatever refusal it is told to, and as all others do once the network is gone', async () => {
    const {aws, lambda} = await openForTest({runs: false});
    const list = () => lambda.send(new L.ListFunctionsCommand({}));
    aws.faults.on('lambda:ListFunctions', {type: 'ServiceQuotaExceeded', message: 'no more', status: 402});
    expect(await refusal(list())).toEqual({name: 'ServiceQuotaExceeded', message: 'no more', status: 402});
    aws.faults.from(1, 'reset');
    await list();
    for (let n = 0; n < 3; n++) expect((await refusal(list())).status).toBeUndefined();
    aws.faults.clear();
    await list();
  });

  it('is throttled where there are too many in a second', async () => {
    const {aws, lambda, pass} = await openForTest({runs: false, requestsPerSecond: 2});
    const list = () => lambda.send(new L.ListFunctionsCommand({}));
    const answers = await Promise.allSettled(Array.from({length: 8}, list));
    const through = answers.filter(({status}) => status === 'fulfilled').length;
    // On a slow machine a second may pass meanwhile.
    expect([through >= 2, through < 8]).toEqual([true, true]);
    await pass(1000);
    await list();
    expect(aws.requests.filter(({status}) => status === 429)).toHaveLength(8 - through);
  });

  it('to the registry may fail too', async () => {
    const {aws} = await openForTest({runs: false});
    aws.breakRegistry(1, '500');
    const statuses = [];
    for (let n = 0; n < 3; n++) statuses.push((await fetch(`http://${aws.registry.host}/v2/`)).status);
    expect(statuses).toEqual([401, 500, 401]);
  });

  it('may never be answered', async () => {
    const {aws, lambda} = await openForTest({runs: false});
    aws.faults.at(0, 'timeout');
    const given = lambda.send(new L.ListFunctionsCommand({}), {abortSignal: AbortSignal.timeout(300)});
    expect((await refusal(given)).name).toBe('AbortError');
  });
});

describe('the clock', () => {
  it('passes long waits at once, the shorter ones first, and short ones as they are', async () => {
    const {aws, pass} = await openForTest({runs: false});
    const order: string[] = [];
    const realMs = performance.now();
    await Promise.all([
      pass(600_000).then(() => order.push('ten minutes')),
      pass(60_000).then(() => order.push('a minute')),
    ]);
    expect(order).toEqual(['a minute', 'ten minutes']);
    expect(performance.now() - realMs).toBeLessThan(20_000);
    const beforeMs = aws.clock.monotonicMs();
    const realBeforeMs = performance.now();
    await pass(50);
    const difference = aws.clock.monotonicMs() - beforeMs - (performance.now() - realBeforeMs);
    expect(Math.abs(difference)).toBeLessThan(1);
  });

  it('lets nobody wait who is called off, and forgets him', async () => {
    const {aws} = await openForTest({runs: false});
    const controller = new AbortController();
    const done = aws.clock.busy();
    const waiting = aws.clock.sleep(60_000, controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({code: 'INTERRUPTED'});
    done();
    const {signal} = new AbortController();
    for (let n = 0; n < 20; n++) await aws.clock.sleep(1000, signal);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('stands while something is under way', async () => {
    const {aws, pass} = await openForTest({runs: false});
    const done = aws.clock.busy();
    let passed = false;
    const waiting = pass(60_000).then(() => (passed = true));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(passed).toBe(false);
    done();
    await waiting;
  });
});
