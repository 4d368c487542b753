import {spawn} from 'node:child_process';
import {text} from 'node:stream/consumers';
import {fileURLToPath} from 'node:url';
import {describe, expect, it} from 'vitest';
import {hostRouteOf} from '../../src/runtime/node/azure/custom-handler.ts';
import {decodeAwsEvent} from '../../src/runtime/node/events/aws.ts';
import {decodeTrigger} from '../../src/runtime/node/events/azure.ts';
import {carriesEvents, pushedMessage, readPushedEvents} from '../../src/runtime/node/events/cloud-events.ts';
import {RequestFailure} from '../../src/runtime/node/failures.ts';
import {readHttpEvent} from '../../src/runtime/node/lambda/http-event.ts';
import {reasonOf} from '../../src/runtime/node/lambda/runtime-api.ts';
import {routeOf} from '../../src/runtime/node/routes.ts';
import {dynamoEvent, httpEvent, kinesisEvent, s3Event, sqsEvent} from '../runtime/lambda-events.ts';
import {AWS_EVENTS, mangled, PUSHED, PUSHING, TRIGGER} from '../runtime/odd-events.ts';

const PROGRAM = fileURLToPath(new URL('python-events.py', import.meta.url));
const RUNTIME = fileURLToPath(new URL('../../src/runtime/python', import.meta.url));

type Members = {readonly [member: string]: unknown};
type Headers = {readonly [name: string]: string};
type Case = readonly [decoder: keyof typeof DECODERS, ...given: readonly unknown[]];

/** The Node runtime's decoders, by the names that the Python program calls its own. */
const DECODERS = {
  aws: (event: unknown) => decodeAwsEvent(event),
  http: (event: unknown) => readHttpEvent(event),
  trigger(data: Members, metadata: Members) {
    const {source, records} = decodeTrigger(data, metadata);
    return {source, records: records.map(({input, event}) => ({input: input ?? null, event}))};
  },
  pushed(headers: Headers, body: readonly number[]) {
    try {
      return readPushedEvents(headers, Uint8Array.from(body));
    } catch (error) {
      if (error instanceof RequestFailure) return {status: error.status, code: error.code};
      throw error;
    }
  },
  message: (input: unknown) => pushedMessage(input),
  carries: (headers: Headers) => carriesEvents(headers),
  route: (method: string, url: string) =>
    [routeOf, hostRouteOf].map((read) => {
      const found = read(method, url, 'a b');
      return {kind: found.kind, code: found.kind === 'refused' ? found.failure.code : null};
    }),
  reason: (errorType: string) => reasonOf(errorType),
};

/** What a decoder made of a case, as JSON: bytes and what JSON has no word for by name. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return {$bytes: Buffer.from(value).toString('hex')};
  if (Array.isArray(value)) return value.map((member) => plain(member) ?? null);
  if (typeof value === 'number' && !Number.isFinite(value)) return {$number: String(value)};
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]));
}

const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value) ?? 'null');

async function decodeInPython(cases: readonly Case[]): Promise<unknown[]> {
  const python = spawn('python3', [PROGRAM, RUNTIME], {stdio: ['pipe', 'pipe', 'inherit']});
  python.stdin.end(JSON.stringify(cases));
  return JSON.parse(await text(python.stdout)) as unknown[];
}

/** Decodes in both runtimes, and names the first cases that come out differently. */
async function expectEqual(cases: readonly Case[]): Promise<void> {
  const sent = asJson(cases) as Case[];
  const inPython = await decodeInPython(sent);
  expect(inPython).toHaveLength(cases.length);
  let decoded = 0;
  const different: string[] = [];
  for (const [index, [name, ...given]] of sent.entries()) {
    const decode = DECODERS[name] as (...given: readonly unknown[]) => unknown;
    const node = asJson(plain(decode(...given)) ?? null);
    if (node !== null) decoded += 1;
    if (canonical(node) !== canonical(inPython[index])) {
      const texts = [given, node, inPython[index]].map((value) => JSON.stringify(value));
      different.push(`${name} of ${texts[0]} gives ${texts[1]} in Node, ${texts[2]} in Python`);
    }
  }
  expect(different.slice(0, 5)).toEqual([]);
  expect(decoded).toBeGreaterThan(0);
}

/** JSON with its members in one order. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_name, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([one], [other]) => (one < other ? -1 : 1)))
      : Object.is(member, -0)
        ? 0
        : member,
  );

/** A value in so many strings. */
const wrapped = (value: unknown, times: number): unknown =>
  times === 0 ? value : wrapped(JSON.stringify(value), times - 1);

const bytesOf = (body: string | Uint8Array): number[] => [...Buffer.from(body)];

describe('both runtimes decode alike', () => {
  it.each(Object.entries(AWS_EVENTS))('%s, whole and with any part odd', async (_what, event) => {
    const odd = [event, ...mangled(event)];
    await expectEqual(odd.flatMap((one): Case[] => [['aws', one], ['http', one]])); // prettier-ignore
  });

  it('what the host of Azure Functions sends', async () => {
    const {data, metadata} = TRIGGER;
    const others: readonly (readonly [Members, Members])[] = [
      [{item: '{"n":1}'}, {DequeueCount: '1'}],
      [{item: '"{\\"n\\":1}"'}, {DequeueCount: '1'}],
      [{item: 'words'}, {DeliveryCount: '1', LockToken: 'x', SequenceNumber: '4'}],
      [{timer: {ScheduleStatus: null}}, {}],
      [{timer: '{"IsPastDue":false}'}, {}],
      [{events: '[{"n":1},"{\\"n\\":2}"]'}, {PartitionContext: {}}],
      [{event: 'x'}, {SequenceNumber: '1', Offset: '2'}],
      [{events: data['events']}, {}],
      [{events: [{eventType: 'x', data: 1}, JSON.stringify({specversion: '1.0', type: 'y', data: 2})]}, {}],
      [{blob: 'AAEC'}, {BlobTrigger: '"photos/in/a b"', Properties: '{"Length":7,"ETag":"e"}'}],
      [{event: wrapped({eventType: 'x', data: 1}, 3)}, {}],
      [{event: wrapped({eventType: 'x', data: 1}, 5)}, {}],
      [{events: [wrapped({eventType: 'x', data: 1}, 2)]}, {}],
      [{events: [wrapped({eventType: 'x', data: 1}, 3)]}, {}],
      [{blob: 'AAEC'}, {BlobTrigger: 'bare'}],
      [{}, {}],
    ];
    const cases: Case[] = [];
    for (const [one, other] of [[data, metadata] as const, ...others]) {
      for (const odd of mangled({data: one, metadata: other})) {
        const given = odd as {data?: object; metadata?: object} | null | undefined;
        cases.push(['trigger', {...given?.data}, {...given?.metadata}]);
      }
      cases.push(['trigger', one, other]);
    }
    await expectEqual(cases);
  });

  it('what is pushed', async () => {
    const cases: Case[] = [];
    const samples = [
      ...PUSHED,
      {specversion: null, type: 7, data_base64: 'eyJuIjoyfQ'},
      {type: 'x', data: {validationCode: '512d'}},
    ];
    for (const sample of samples) {
      for (const odd of [sample, [sample, sample], ...mangled(sample)]) {
        const inner = asJson(odd) as {data?: unknown} | null;
        cases.push(['message', inner?.data]);
        const body = bytesOf(JSON.stringify(inner));
        for (const headers of PUSHING) cases.push(['pushed', headers, body]);
      }
    }
    const types = [
      'application/json',
      'application/JSON; charset=utf-8',
      'application/x+json',
      'application/jsonl',
      'application/json-seq',
      'text/plain;x=/json',
      'json',
      '',
    ];
    const bodies = [
      '{"n":1}',
      '{"half',
      'words',
      '',
      '\ufeff{"n":1}',
      'NaN',
      '[1e400]',
      Uint8Array.of(1, 0xff),
    ];
    for (const type of types) {
      for (const body of bodies) {
        const headers = {'ce-specversion': '1.0', 'ce-type': 'x.y', 'ce-data': 'no', 'content-type': type};
        cases.push(['pushed', headers, bytesOf(body)]);
        cases.push(['pushed', {'content-type': 'application/cloudevents+json'}, bytesOf(body)]);
      }
      cases.push(['carries', {'content-type': type}]);
    }
    for (const url of [
      'http://h/c/a/b%20c',
      'https:///c/b',
      'https://h/c/',
      'https://h//b',
      'HTTPS://h/c/b',
      'https://h/c/a\nb',
      'https://h/c/%C3%BC%C3',
      'https://h/c/%C3ü',
    ]) {
      const event = {eventType: 'Microsoft.Storage.BlobCreated', data: {url, contentLength: '0x10'}};
      cases.push(['pushed', {'aeg-event-type': 'Notification'}, bytesOf(JSON.stringify([event]))]);
    }
    await expectEqual(cases);
  });

  it('numbers, bytes and names as odd as they come', async () => {
    // prettier-ignore
    const numbers = [
      '7', '-7', '+7', '007', '7.0', '1.5', '.5', '5.', '.', '-', '', ' ', ' 12 ', '\u00a07', '1e3', '1E+20', '1e400',
      '-1e400', 'Infinity', '-Infinity', '+-Infinity', 'infinity', 'nan', 'NaN', '0x1F', '0X1f', '0b11', '0o17', '0x',
      '0x1_0', '-0x10', '1_000', '١', '9007199254740991', '9007199254740992', '9007199254740993', '-9007199254740993',
      '9007199254740993.5', '1e15', '12345678901234567890123456789012345678', '0.1', 'x', '7x', '1 2', '٠x', 7, null, [],
    ];
    // prettier-ignore
    const encoded = [
      '', 'YQ==', 'YQ', 'Y', 'YWI=c', 'Y Q\n=', 'YW-_', 'YW+/', '*YQ', 'YWJj=YWJj', 'ü', '=YQ', 'Y=Q',
      'YWJjYQ=YWJj', 'YWJjZ', 'YW.Jj', 'e30=', 'eyJuIjoxfQ==', 'IkEi', '77u/e30=', '/////w==', 'bm8=', 'TmFO',
      'LUluZmluaXR5',
    ];
    // prettier-ignore
    const names = [
      'a+b', 'a%20b', '%', '%4', '%zz', '%C3%BC', '%C3', '%C3x%BC', 'ü%C3%BC', '%ED%A0%80', '%+1', '%00',
      '%25%20',
    ];
    // prettier-ignore
    const texts = [
      'NaN', '-Infinity', '\ufeff1', ' 1 ', '\u00a01', '1.0', '"\\ud800"', '"\t"', '[1,]', '1e400',
      '{"a":1,"a":2}',
    ];
    const row = (image: object): object => {
      const {Records} = dynamoEvent();
      return {Records: Records.map((one) => ({...one, dynamodb: {...one.dynamodb, NewImage: image}}))};
    };
    const sized = (size: unknown): object => {
      const {Records} = s3Event('a');
      return {Records: Records.map((one) => ({...one, s3: {...one.s3, object: {key: 'a', size}}}))};
    };
    const named = (key: string): object => {
      const {Records} = s3Event('a');
      return {Records: Records.map((one) => ({...one, s3: {...one.s3, object: {key}}}))};
    };
    const request = httpEvent('POST', '/prod/x');
    const staged = (stage: string, rawPath: string): object => ({
      ...request,
      rawPath,
      requestContext: {...request.requestContext, stage},
    });
    await expectEqual([
      ...numbers.flatMap((N): Case[] => [['aws', row({N: {N}, NS: {NS: [N]}})], ['aws', sized(N)]]), // prettier-ignore
      ...encoded.map((B): Case => ['aws', row({B: {B}, BS: {BS: [B]}, X: {X: B}})]),
      ...encoded.map((data): Case => [
        'aws',
        {Records: kinesisEvent(['x']).Records.map((one) => ({...one, kinesis: {data}}))},
      ]),
      ...encoded.map((body): Case => ['http', {...request, body, isBase64Encoded: true}]),
      ...names.map((name): Case => ['aws', named(name)]),
      ['aws', sqsEvent(texts)],
      ['aws', {Records: [...sqsEvent([1]).Records, ...s3Event('a').Records]}],
      ['aws', {'detail-type': 'Ordered', source: 'shop', detail: null}],
      ['aws', {'detail-type': 'Ordered', source: 'shop'}],
      ['http', {...request, headers: {A: 1, b: true, C: [1.5, 'x', null], d: {}, e: [], f: 1.0, g: 1e21}}],
      ['http', {...request, cookies: ['a=1', 7, 'b=2'], body: 'gr\u00fcn \ud83d\ude00'}],
      ['http', staged('prod', '/prod/x')],
      ['http', staged('prod', '/prod')],
      ['http', staged('prod', '/product')],
      ['http', staged('', '//x')],
      ['http', staged('$default', '/$default/x')],
    ]);
  });

  it('which way a request goes, and what an error is called', async () => {
    // prettier-ignore
    const paths = [
      '/', '', '//', '/healthz', '/healthz/', '/v2/health/live', '/v2/health/ready', '/v2/health', '/score',
      '/v2/models/a%20b', '/v2/models/a%20b/infer', '/v2/models/a%20b/ready', '/v2/models/a%20b/other',
      '/v2/models/a b/infer', '/v2/models/other/infer', '/v2/models//infer', '/v2/models/%zz', '/v2/models',
      '/api', '/apiary', '/a/b', '/v2/models/a%20b/infer/',
    ];
    const urls = ['', '/api', '/api/score'].flatMap((prefix) => paths.map((path) => prefix + path));
    const asked = [
      ...urls,
      ...urls.map((url) => `${url}?a=/healthz#b`),
      '/#?',
      '/api/score#x',
      '/api//healthz',
    ];
    const errors = ['TypeError', 'BAD_JSON', '', 'é', 'a1b', '__', 'HTTPError', 'X', 'Ünder_SCORE'];
    await expectEqual([
      ...asked.flatMap((url) => ['GET', 'HEAD', 'POST', 'PUT'].map((method): Case => ['route', method, url])),
      ...errors.map((error): Case => ['reason', error]),
    ]);
  });
});
