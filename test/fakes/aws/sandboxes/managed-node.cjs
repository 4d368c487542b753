// What Lambda's managed runtime for Node does with a zip archive, as far as the fake of AWS needs it: it loads the
// handler that _HANDLER names, and answers one event after the other.
const {randomUUID} = require('node:crypto');
const {existsSync} = require('node:fs');
const paths = require('node:path');
const {pathToFileURL} = require('node:url');

const base = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`;
const [file = '', name = 'handler'] = (process.env._HANDLER ?? '').split(/\.(?=[^.]*$)/);

const post = (path, body, headers = {}) =>
  fetch(`${base}/${path}`, {method: 'POST', body: JSON.stringify(body ?? null), headers});

const errorOf = (error) => ({
  errorType: error instanceof Error ? error.name : 'Error',
  errorMessage: error instanceof Error ? error.message : String(error),
  stackTrace: [],
});

async function load() {
  const path = paths.join(process.env.LAMBDA_TASK_ROOT ?? '', file);
  const found = ['.mjs', '.js', '.cjs'].map((ending) => path + ending).find((each) => existsSync(each));
  if (found === undefined) throw new Error(`Cannot find module '${file}'`);
  const handler = (await import(pathToFileURL(found).href))[name];
  if (typeof handler !== 'function') throw new Error(`${process.env._HANDLER} is undefined or not exported`);
  return handler;
}

async function serve(handler) {
  for (;;) {
    const next = await fetch(`${base}/invocation/next`);
    const requestId = next.headers.get('lambda-runtime-aws-request-id');
    const deadlineMs = Number(next.headers.get('lambda-runtime-deadline-ms'));
    const context = {
      awsRequestId: requestId,
      functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
      functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
      memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
      invokedFunctionArn: next.headers.get('lambda-runtime-invoked-function-arn'),
      getRemainingTimeInMillis: () => deadlineMs - Date.now(),
    };
    try {
      const answer = await handler(await next.json(), context);
      await post(`invocation/${requestId}/response`, answer);
    } catch (error) {
      const type = {'lambda-runtime-function-error-type': errorOf(error).errorType};
      await post(`invocation/${requestId}/error`, errorOf(error), type);
    }
  }
}

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
load().then(
  (handler) => {
    console.log(JSON.stringify({event: 'ready', port: null, bootId: randomUUID()}));
    return serve(handler);
  },
  async (error) => {
    await post('init/error', errorOf(error), {
      'lambda-runtime-function-error-type': 'Runtime.ImportModuleError',
    });
    process.exit(1);
  },
);
