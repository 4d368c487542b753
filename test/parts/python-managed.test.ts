import {execFile} from 'node:child_process';
import {copyFile, rename, rm, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {afterEach, expect, it} from 'vitest';
import {httpEvent, sqsEvent} from '../runtime/lambda-events.ts';
import {layPythonInstance, type PythonInstanceParts} from '../python-instance.ts';

const exec = promisify(execFile);
const ENTRY = fileURLToPath(new URL('../../src/runtime/python-managed/thaw_lambda.py', import.meta.url));

/** Calls a handler as Lambda's own Python does, with one event after the other. */
const CALLER = `
import json, sys, time, importlib

class Context:
    aws_request_id = "b7a0c4c2-0000-4000-8000-000000000001"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:demo:live"
    function_name = "demo"

    def get_remaining_time_in_millis(self):
        return 5000

sys.path.insert(0, sys.argv[1])
told = []
try:
    handler = importlib.import_module("thaw_lambda").handler
    for event in json.loads(sys.argv[2]):
        try:
            told.append({"answer": handler(event, Context())})
        except Exception as error:
            told.append({"error": type(error).__name__, "message": str(error)})
except Exception as error:
    told.append({"start": type(error).__name__, "message": str(error)})
print("TOLD" + json.dumps(told))
`;

type Told = {
  readonly answer?: {readonly [member: string]: unknown};
  readonly error?: string;
  readonly start?: string;
  readonly message?: string;
};

const made: string[] = [];
afterEach(async () => {
  for (const dir of made.splice(0)) await rm(dir, {recursive: true, force: true});
});

/** An archive's folder, and what its handler answers there. */
async function call(
  parts: PythonInstanceParts,
  events: readonly unknown[],
): Promise<{told: Told[]; lines: object[]}> {
  const instanceDir = await layPythonInstance(parts);
  made.push(instanceDir);
  const root = join(instanceDir, 'task');
  await rename(join(instanceDir, 'opt', 'thaw'), root);
  await copyFile(ENTRY, join(root, 'thaw_lambda.py'));
  const caller = join(dirname(root), 'caller.py');
  await writeFile(caller, CALLER);
  const {stdout} = await exec('python3', [caller, root, JSON.stringify(events)]);
  const lines = stdout.trim().split('\n');
  const last = lines.pop() ?? '';
  return {
    told: JSON.parse(last.slice('TOLD'.length)) as Told[],
    lines: lines.map((line) => JSON.parse(line) as object),
  };
}

it('goes through the same door where Lambda fetches the events itself', async () => {
  const handler = `
def predict(input, context):
    if input.get('fail'):
        raise LookupError('no ' + input['fail'])
    return {'twice': 2 * input['n'], 'source': context.source, 'late': context.deadline_ms}
`;
  const before = Date.now();
  const {told, lines} = await call({handler}, [
    {n: 21},
    {fail: 'luck'},
    httpEvent('POST', '/', {n: 4}),
    httpEvent('GET', '/v2/health/ready'),
    sqsEvent([JSON.stringify({n: 1}), JSON.stringify({fail: 'luck'})]),
  ]);
  expect(told[0]?.answer).toMatchObject({twice: 42, source: 'invoke'});
  expect(told[0]?.answer?.['late']).toBeGreaterThan(before);
  expect(told[1]).toEqual({error: 'LookupError', message: 'no luck'});
  expect(told[2]?.answer).toMatchObject({
    statusCode: 200,
    headers: {'thaw-ordinal': '3', 'content-type': 'application/json'},
  });
  expect(JSON.parse(told[2]?.answer?.['body'] as string)).toMatchObject({twice: 8, source: 'http'});
  expect(told[3]?.answer).toMatchObject({statusCode: 200});
  expect(told[4]?.answer?.['batchItemFailures']).toHaveLength(1);
  expect(lines[0]).toMatchObject({event: 'ready', port: null});
  expect(lines.filter((line) => 'event' in line && line.event === 'evidence')).toHaveLength(4);
});

it('says why it cannot start', async () => {
  const {told, lines} = await call({handler: 'other = 1'}, [{}]);
  expect(told).toEqual([
    {start: 'Runtime.HandlerInvalid', message: expect.stringContaining('predict') as unknown},
  ]);
  expect(lines.at(-1)).toMatchObject({event: 'failed', code: 'HANDLER_INVALID'});
});

it('hands a Lambda handler the event as it is', async () => {
  const handler = `
def lambda_handler(event, context):
    return {'event': event, 'arn': context.invoked_function_arn, 'id': context.aws_request_id}
`;
  const event = {detail: {ü: 'ß', n: 1.5, none: null}};
  const {told} = await call({handler}, [event]);
  expect(told[0]?.answer).toEqual({
    event,
    arn: 'arn:aws:lambda:eu-central-1:123456789012:function:demo:live',
    id: 'b7a0c4c2-0000-4000-8000-000000000001',
  });
});
