import {Lambda} from '@aws-sdk/client-lambda';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, expect, it} from 'vitest';
import type {Http} from '../../../src/core/ports.ts';
import {makeSmallImage} from '../../fakes/aws/sandboxes/small-image.ts';
import {sqsEvent} from '../../runtime/lambda-events.ts';
import {baseOf, openDesk} from '../conformance/desk.ts';
import {NAME, openAwsHarness, type AwsHarness} from './harness.ts';

const HANDLER = `
export async function predict(input, {model, context}) {
  if (input?.fail) throw new RangeError('no ' + input.fail);
  const {score} = await model.run({features: {data: new Float32Array(input.features), shape: [1, 4]}});
  return {sum: [...score.data], source: context.source, hasDeadline: context.deadlineMs > Date.now()};
}`;

const http = (body: string, path = '/'): object => ({
  version: '2.0',
  rawPath: path,
  rawQueryString: '',
  headers: {'content-type': 'application/json'},
  requestContext: {http: {method: 'POST', path}},
  body,
  isBase64Encoded: false,
});

let dir: string;
let harness: AwsHarness;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-zip-'));
});
afterEach(async () => {
  await harness.close();
  await rm(dir, {recursive: true, force: true});
});

interface Told {
  readonly error: string | undefined;
  readonly payload: unknown;
}

/** What a call through Lambda's own API gives, without what tells instances apart. */
async function call(lambda: Lambda, event: object): Promise<Told> {
  const {Payload, FunctionError} = await lambda.invoke({
    FunctionName: NAME,
    Qualifier: 'live',
    Payload: JSON.stringify(event),
  });
  const text = Buffer.from(Payload ?? []).toString();
  const payload = JSON.parse(text.replace(/request [\da-f-]{36}/, 'request …')) as {[key: string]: unknown};
  const {headers, ...rest} = payload ?? {};
  if (headers === undefined) return {error: FunctionError, payload};
  const names = Object.keys(headers as object).sort();
  return {error: FunctionError, payload: {...rest, headers: names}};
}

it('answers every kind of event as the image does', async () => {
  const answers: Told[][] = [];
  const features = [1, 2, 3, 4];
  for (const artifact of ['image', 'zip']) {
    harness = await openAwsHarness({artifact});
    const image = await makeSmallImage(join(dir, artifact), {handler: HANDLER});
    const desk = openDesk(harness);
    await desk.deploy({...baseOf(harness), image});
    const lambda = new Lambda({});
    const told = [];
    for (const event of [
      {features},
      {fail: 'luck'},
      http(JSON.stringify({features})),
      http('{"features": '),
      http(JSON.stringify({fail: 'luck'})),
      http(JSON.stringify({features: [1]})),
      http('{}', '/nowhere'),
      sqsEvent([JSON.stringify({features}), JSON.stringify({fail: 'luck'})]),
    ]) {
      told.push(await call(lambda, event));
    }
    answers.push(told);
    if (artifact === 'image') await harness.close();
  }
  const [image = [], zip = []] = answers;
  expect(zip.map(({error}) => error)).toEqual(image.map(({error}) => error));
  expect(zip[0]?.payload).toMatchObject({source: 'invoke', hasDeadline: true});
  expect(zip[1]?.payload).toMatchObject({errorType: 'RangeError', errorMessage: 'no luck'});
  expect(zip.map(({payload}) => payload)).toEqual(image.map(({payload}) => payload));
}, 60_000);

it('says why it cannot start, as the image does', async () => {
  const told: Told[] = [];
  for (const artifact of ['image', 'zip']) {
    harness = await openAwsHarness({artifact});
    const image = await makeSmallImage(join(dir, artifact), {handler: 'export const nothing = 1;'});
    const desk = openDesk(harness);
    await desk.deploy({...baseOf(harness), image});
    told.push(await call(new Lambda({}), {}));
    if (artifact === 'image') await harness.close();
  }
  const [image, zip] = told;
  const message = expect.stringContaining('it exports nothing') as unknown;
  for (const each of [image, zip]) expect(each?.payload).toMatchObject({errorMessage: message});
  expect(zip?.error).toBe(image?.error);
}, 60_000);

it('forces a cold start of older code, too, which Lambda alone has', async () => {
  harness = await openAwsHarness({artifact: 'zip'});
  const desk = openDesk(harness);
  const base = baseOf(harness);
  await desk.deploy(base);
  await desk.deploy({...base, image: harness.images[1]});
  await desk.apply((await desk.inspect(base)).rollback(null), base);
  expect((await desk.invoke(base)).evidence.image).toBe(base.image.image.digest);
  harness.aws.faults.onNextWrite('reset after');
  for (let n = 0; n < 2; n++) {
    const asked = await desk.chill(base);
    const {evidence, class: start} = await desk.invoke(base, asked);
    expect([start, evidence.image]).toEqual(['cold', base.image.image.digest]);
  }
  await desk.tidy(base);
  expect((await desk.inspect(base)).status.versions.map(({version}) => version)).toEqual(['1', '2']);
  expect(desk.tape.join()).not.toContain('/code/');
  await desk.deploy({...base, image: harness.images[1]});
  expect((await desk.invoke(base)).evidence.image).toBe(harness.images[1].image.digest);
}, 60_000);

it('fetches older code again where that was cut off', async () => {
  harness = await openAwsHarness({artifact: 'zip'}, {runs: false});
  const {context} = harness;
  const asked: string[] = [];
  const http: Http = async (request) => {
    asked.push(request.url);
    const answer = await context.ports.http(request);
    if (asked.length === 1)
      return {...answer, body: answer.body.subarray(0, 100), error: {kind: 'reset', message: 'cut'}};
    return asked.length === 2 ? {...answer, status: 503, body: new Uint8Array()} : answer;
  };
  const desk = openDesk({...harness, context: {...context, ports: {...context.ports, http}}});
  const base = baseOf(harness);
  await desk.deploy(base);
  await desk.deploy({...base, image: harness.images[1]});
  await desk.apply((await desk.inspect(base)).rollback(null), base);
  await desk.chill(base);
  expect(asked).toHaveLength(3);
  await desk.tidy(base);
  expect(desk.tape.join()).not.toContain('/code/');
}, 60_000);

it('needs no registry', async () => {
  harness = await openAwsHarness({artifact: 'zip'});
  const {driver, context, aws} = harness;
  for (const action of ['DescribeRepositories', 'GetAuthorizationToken', 'CreateRepository']) {
    aws.account.deny(`ecr:${action}`);
  }
  const checks = driver.open({artifact: 'zip'}).checks(harness.spec);
  const results = await Promise.all(checks.map((each) => each.check(context)));
  expect(results.map(({ok, found}) => (ok ? 'fine' : found))).toEqual(checks.map(() => 'fine'));
  const desk = openDesk(harness);
  await desk.deploy(baseOf(harness));
  expect((await desk.invoke(baseOf(harness))).class).toBe('cold');
}, 60_000);
