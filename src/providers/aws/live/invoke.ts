import {Readable} from 'node:stream';
import type {Deployment} from '../../../core/deployment.ts';
import type {Context, InvokeRequest} from '../../../core/driver.ts';
import {parseEvidence, unreadableEvidence} from '../../../core/evidence.ts';
import type {Invocation} from '../../../core/sample.ts';
import {ownSignal, type OpenAws} from '../calls/clients.ts';
import {explainFailure} from '../calls/errors.ts';
import {handleOf, type Handle} from './handle.ts';
import {createSigV4} from '../calls/sigv4.ts';

/** Sends one request to a version, and times what goes over the wire: signing comes before. */
export async function invokeFunction(
  openAws: OpenAws,
  context: Context,
  deployment: Deployment,
  request: InvokeRequest,
): Promise<Invocation> {
  const handle = handleOf(deployment);
  const invocation =
    handle.via === 'direct'
      ? await invokeDirectly(openAws, context, handle, request)
      : await invokeUrl(openAws, context, deployment.url, handle, request);
  const {evidence} = invocation;
  return handle.tellsImage || evidence === null
    ? invocation
    : {...invocation, evidence: {...evidence, image: null}};
}

async function invokeUrl(
  openAws: OpenAws,
  context: Context,
  url: string,
  handle: Handle,
  {body, contentType, timeoutMs, keepConnection = false}: InvokeRequest,
): Promise<Invocation> {
  const {ports, signal} = context;
  const headers = {'content-type': contentType};
  const signed = handle.auth === 'iam' ? await signUrl(openAws, context, url, handle, headers, body) : {};
  return ports.http({
    url,
    method: 'POST',
    headers: {...headers, ...signed},
    body,
    timeoutMs,
    signal,
    freshConnection: !keepConnection,
  });
}

async function signUrl(
  openAws: OpenAws,
  context: Context,
  url: string,
  handle: Handle,
  headers: {readonly [name: string]: string},
  body: Uint8Array,
): Promise<{readonly [name: string]: string}> {
  const {config} = await openAws(context, handle).lambda();
  const asked = {action: 'lambda:InvokeFunctionUrl', resource: `${handle.function}:${handle.qualifier}`};
  try {
    const credentials = await config.credentials();
    const sign = createSigV4({
      region: handle.region,
      service: 'lambda',
      credentials: async () => credentials,
    });
    return (await sign({method: 'POST', url, headers, body})).headers;
  } catch (error) {
    throw explainFailure(error, asked, context.signal);
  }
}

/** What Lambda's API is asked, and how that ended. */
type Sent = {readonly invocation: Invocation};

/**
 * Calls Lambda's own API with the event that a function URL would make of the request, so that the answer proves as
 * much. The SDK addresses and signs; thaw sends it, once, and times it.
 */
async function invokeDirectly(
  openAws: OpenAws,
  context: Context,
  handle: Handle,
  request: InvokeRequest,
): Promise<Invocation> {
  const {Lambda} = await import('../calls/sdk/lambda.ts');
  const {config} = await openAws(context, handle).lambda();
  let sent: Sent | null = null;
  const lambda = new Lambda({
    region: handle.region,
    ...(handle.profile === null ? {} : {profile: handle.profile}),
    credentials: config.credentials,
    maxAttempts: 1,
    requestHandler: {
      async handle(outgoing: WireRequest) {
        const invocation = await context.ports.http({
          url: urlOf(outgoing),
          method: outgoing.method,
          headers: withoutHost(outgoing.headers),
          body: outgoing.body as Uint8Array,
          timeoutMs: request.timeoutMs,
          signal: context.signal,
          freshConnection: request.keepConnection !== true,
        });
        sent = {invocation};
        const {status, headers, body} = invocation;
        return {
          response: {statusCode: status ?? 599, headers: {...headers}, body: Readable.from([body])},
        };
      },
    },
  });
  const asked = {action: 'lambda:InvokeFunction', resource: `${handle.function}:${handle.qualifier}`};
  try {
    await lambda.invoke(
      {
        FunctionName: handle.function,
        Qualifier: handle.qualifier,
        InvocationType: 'RequestResponse',
        LogType: 'Tail',
        Payload: renderEvent(request),
      },
      {abortSignal: ownSignal(context.signal)},
    );
  } catch (error) {
    // How the answer reads is for who asked to say; only what was never sent is a failure here.
    if (sent === null) throw explainFailure(error, asked, context.signal);
  }
  return unwrap((sent as Sent | null)?.invocation as Invocation);
}

/** A request of the SDK's, as far as it is read here. */
interface WireRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly method: string;
  readonly headers: {readonly [name: string]: string};
  readonly query?: {readonly [name: string]: string | readonly string[] | null};
  readonly body?: unknown;
}

function urlOf({protocol, hostname, port, path, query = {}}: WireRequest): string {
  const url = new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`);
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) url.searchParams.append(name, each ?? '');
  }
  return url.href;
}

const withoutHost = (headers: {readonly [name: string]: string}): {[name: string]: string} =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'host'));

/** The event of a function URL, payload format 2.0, as far as the runtime reads it. */
function renderEvent({body, contentType}: InvokeRequest): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      version: '2.0',
      rawPath: '/',
      rawQueryString: '',
      headers: {'content-type': contentType},
      requestContext: {http: {method: 'POST', path: '/'}, stage: '$default'},
      body: Buffer.from(body).toString('base64'),
      isBase64Encoded: true,
    }),
  );
}

/** Of Lambda's answer makes the answer that the function gave. */
function unwrap(invocation: Invocation): Invocation {
  const {status, headers, body, error} = invocation;
  if (error !== null || status !== 200) return invocation;
  const failed = headers['x-amz-function-error'];
  if (failed !== undefined) return {...invocation, status: 502};
  let answer: {statusCode?: unknown; headers?: unknown; body?: unknown; isBase64Encoded?: unknown};
  try {
    answer = JSON.parse(Buffer.from(body).toString('utf8')) as typeof answer;
  } catch {
    return invocation;
  }
  if (typeof answer !== 'object' || answer === null || typeof answer.statusCode !== 'number')
    return invocation;
  const given = typeof answer.headers === 'object' && answer.headers !== null ? answer.headers : {};
  const own = Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name.toLowerCase(), String(value)]),
  );
  const unreadable = unreadableEvidence(own);
  return {
    ...invocation,
    status: answer.statusCode,
    headers: {...headers, ...own},
    body: Buffer.from(
      typeof answer.body === 'string' ? answer.body : '',
      answer.isBase64Encoded === true ? 'base64' : 'utf8',
    ),
    evidence: parseEvidence(own),
    ...(unreadable.length === 0 ? {} : {unreadable}),
  };
}
