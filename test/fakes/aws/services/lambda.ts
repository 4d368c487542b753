import type * as Lambda from '@aws-sdk/client-lambda';
import {randomUUID} from 'node:crypto';
import {request as httpRequest} from 'node:http';
import {buffer} from 'node:stream/consumers';
import type {Call, Cloud, Service} from '../cloud.ts';
import type {Source} from '../delivery.ts';
import {Refusal} from '../refusal.ts';
import {Fleet, InitFailure, streamName, type Unit, type Unpacked} from '../sandboxes/fleet.ts';
import {ImageFiles} from '../sandboxes/image-files.ts';
import {zipEnvironment, ZipFiles} from '../sandboxes/zip-files.ts';
import type {FakeRegistry} from '../../../unit/image/registry/fake-registry.ts';
import {restJson} from '../wire/rest-json.ts';
import type {WireAnswer, WireRequest} from '../wire/message.ts';
import type {Images} from './ecr.ts';
import type {Roles} from './iam.ts';
import type {LogSink} from './logs.ts';
import type {Buckets} from './s3.ts';
import {accessApi, isPublic} from './lambda/access-api.ts';
import {concurrencyApi} from './lambda/concurrency-api.ts';
import {functionsApi} from './lambda/functions-api.ts';
import {Mappings} from './lambda/mappings-api.ts';
import {functionArn, parseTarget, type Target} from './lambda/names.ts';
import type {Scaled} from './scaling.ts';
import type {Queues} from './sqs.ts';
import {renderPlatformLine, type LogFormat} from './lambda/platform-lines.ts';
import {contentOf, Functions, type Code, type FunctionRecord, type Version} from './lambda/state.ts';

/** What Lambda takes as an event, in bytes. */
const PAYLOAD_BYTES_MAX = 6 * 2 ** 20;
const EVENT_BYTES_MAX = 2 ** 20;

/** What Lambda works with. */
export interface LambdaSurroundings {
  readonly cloud: Cloud;
  readonly roles: Roles;
  readonly images: Images;
  readonly registry: () => FakeRegistry;
  readonly queues: () => Pick<Queues, 'attributes'>;
  readonly buckets: () => Buckets;
  readonly logs: LogSink;
  /** Whether images are run; without, provisioned concurrency is there as soon as its time has come. */
  readonly runs: boolean;
}

/** What of Lambda is not an API. */
export interface LambdaPlane extends Scaled {
  readonly fleet: Fleet;
  /** A request to a function's URL. */
  serveUrl(request: WireRequest, caller: 'nobody' | 'owner'): Promise<WireAnswer>;
  /** What a function URL's path says that it is for; null: it is none. */
  isUrl(path: string): boolean;
  /** Whether requests to the URL have to be signed. */
  isSigned(path: string): boolean;
  /** Invokes a function as another service does. */
  deliver(arn: string, event: unknown): Promise<{readonly failed: boolean; readonly body: unknown}>;
  /** What fetches from a queue or stream. */
  sources(sourceArn: string): readonly Source[];
  /** Lets whoever may read a function's policy know whether a service may invoke it. */
  mayBeInvokedBy(arn: string, service: string, sourceArn: string): boolean;
  /** Starts a sandbox that nobody has asked for yet. */
  startProactively(name: string, qualifier: string): Promise<void>;
  /** The zip archive that a version is made of, at the address that GetFunction says; null: none is there. */
  codeAt(path: string): Uint8Array | null;
  close(): Promise<void>;
}

const CODE_PATH = /^\/code\/([^/]+)\/([^/]+)$/;
const URL_PATH = /^\/fn\/([^/]+)\/([^/]+)(\/.*)?$/;

export function createLambda(around: LambdaSurroundings): Service & LambdaPlane {
  const {cloud, roles, images, registry, queues, buckets, logs, runs} = around;
  const {account, clock} = cloud;
  const functions = new Functions(cloud);
  const mappings = new Mappings(functions, cloud, roles, queues);
  const zipFiles = new ZipFiles();
  let imageFiles: ImageFiles | null = null;
  const fleet = new Fleet(cloud);

  const unpack = async (code: Code, {handler, runtime}: Version['configuration']): Promise<Unpacked> => {
    if (code.kind === 'zip') {
      const rootDir = await zipFiles.folderOf(code.bytes, runtime ?? '');
      return {rootDir, env: zipEnvironment(rootDir, handler ?? '')};
    }
    imageFiles ??= new ImageFiles(registry());
    return {rootDir: await imageFiles.folderOf(code.repository, code.digest), env: {}};
  };

  const isRunnable = ({code, configuration}: Version): boolean =>
    runs && (code.kind === 'image' || /^(nodejs|python)/.test(configuration.runtime ?? ''));

  const unitOf = (fn: FunctionRecord, version: Version): Unit => {
    const {code, configuration} = version;
    if (!isRunnable(version)) {
      const message = `the fake runs zip archives on Node and Python alone, not on ${configuration.runtime}`;
      throw new Refusal('ServiceException', message, {status: 500});
    }
    const format: LogFormat = configuration.logging.LogFormat ?? 'Text';
    const group = configuration.logging.LogGroup ?? `/aws/lambda/${fn.name}`;
    return {
      function: fn.name,
      version: version.version,
      content: contentOf(version),
      // Lambda itself tells a function nothing of what it is made of.
      image: configuration.environment['THAW_IMAGE'] ?? '',
      unpack: () => unpack(code, configuration),
      memoryMb: configuration.memoryMb,
      timeoutMs: configuration.timeout * 1000,
      env: configuration.environment,
      reserved: fn.reserved,
      snapStart: configuration.snapStart === 'PublishedVersions' && version.version !== '$LATEST',
      onLine: (id, text) => {
        // A process may take a moment longer to end than its function.
        if (functions.all.get(fn.name) !== fn) return;
        const stream = streamName(version.modifiedMs, version.version, id);
        logs.write(group, stream, renderPlatformLine(text, format, clock.now()));
      },
    };
  };

  /** Ends what is of no version any more, and keeps ready what is asked for. */
  const tend = (fn: FunctionRecord): void => {
    if (!runs) return;
    const wanted = new Map<Version, number>();
    for (const [key, {requested}] of fn.provisioned) {
      const version = fn.versions.get(fn.aliases.get(key)?.version ?? key);
      if (version !== undefined) wanted.set(version, requested);
    }
    const live = new Map([fn.latest, ...fn.versions.values()].map((version) => [version.version, version]));
    fleet.retire((unit, kind) => {
      if (unit.function !== fn.name) return false;
      const version = live.get(unit.version);
      if (version === undefined || contentOf(version) !== unit.content) return true;
      return kind === 'provisioned' && !wanted.has(version);
    });
    for (const version of fn.versions.values()) {
      if (!isRunnable(version)) continue;
      const unit = unitOf(fn, version);
      if (unit.snapStart) fleet.snapshot(unit);
    }
    for (const [version, count] of wanted) {
      if (isRunnable(version)) fleet.keep(unitOf(fn, version), count);
    }
  };

  /**
   * The version that an invocation runs.
   *
   * @throws Refusal ResourceNotFoundException, ResourceConflictException
   */
  const invocable = (target: Target): {readonly fn: FunctionRecord; readonly version: Version} => {
    const fn = functions.find(target);
    const version = functions.invoked(fn, target.qualifier);
    const state = functions.stateOf(version);
    if (state === 'Active') return {fn, version};
    throw new Refusal(
      'ResourceConflictException',
      `The operation cannot be performed at this time. The function is currently in the following state: ${state}`,
    );
  };

  const run = <T>(
    target: Target,
    work: (port: number, render: (line: string) => string) => Promise<T>,
  ): Promise<T> => {
    if (!runs) throw new Refusal('ServiceException', 'this fake runs nothing', {status: 500});
    const {fn, version} = invocable(target);
    return fleet.invoke(unitOf(fn, version), work);
  };

  const invoke = async (input: Lambda.InvocationRequest, call: Call): Promise<Lambda.InvocationResponse> => {
    const target = parseTarget(input.FunctionName, input.Qualifier);
    const {version} = invocable(target);
    const payload = Buffer.from(input.Payload ?? Buffer.from('{}'));
    const {InvocationType: type = 'RequestResponse'} = input;
    const bytesMax = type === 'Event' ? EVENT_BYTES_MAX : PAYLOAD_BYTES_MAX;
    if (payload.length > bytesMax) {
      throw new Refusal(
        'RequestTooLargeException',
        `Request must be smaller than ${bytesMax} bytes for the InvokeFunction operation`,
      );
    }
    checkJson(payload);
    if (type === 'DryRun') return {StatusCode: 204};
    const headers = {
      ...(input.LogType === 'Tail' && {'x-amz-log-type': 'Tail'}),
      ...(input.ClientContext !== undefined && {'x-amz-client-context': input.ClientContext}),
    };
    const path = '/2015-03-31/functions/function/invocations';
    const answered = run(target, async (port, render) => {
      const answer = await send(port, {method: 'POST', path, headers, body: payload});
      return {answer, render};
    });
    if (type === 'Event') {
      answered.catch(() => undefined);
      return {StatusCode: 202};
    }
    const ExecutedVersion = version.version;
    try {
      const {answer, render} = await answered;
      const tail = Buffer.from(answer.headers['x-amz-log-result'] ?? '', 'base64').toString('utf8');
      const format: LogFormat = version.configuration.logging.LogFormat ?? 'Text';
      const lines = tail.split('\n').map((line) => renderPlatformLine(render(line), format, clock.now()));
      return {
        StatusCode: answer.status,
        ExecutedVersion,
        FunctionError: answer.headers['x-amz-function-error'],
        LogResult: input.LogType === 'Tail' ? Buffer.from(lines.join('\n')).toString('base64') : undefined,
        Payload: Buffer.from(answer.body as Buffer),
      };
    } catch (error) {
      if (!(error instanceof InitFailure)) throw error;
      const failure = {
        errorType: 'Runtime.ExitError',
        errorMessage: `RequestId: ${call.requestId} Error: ${error.message}`,
      };
      return {
        StatusCode: 200,
        ExecutedVersion,
        FunctionError: 'Unhandled',
        Payload: Buffer.from(JSON.stringify(failure)),
      };
    }
  };

  const urlOf = (path: string) => {
    const [, name, key, rest = '/'] = URL_PATH.exec(path) ?? [];
    if (name === undefined || key === undefined) return null;
    const fn = functions.all.get(name);
    const qualifier = decodeURIComponent(key);
    const url = fn?.urls.get(qualifier);
    return fn === undefined || url === undefined ? null : {fn, url, qualifier, rest};
  };

  return {
    scope: 'lambda',
    prefix: 'lambda',
    loadClient: () => import('@aws-sdk/client-lambda'),
    protocol: restJson,
    throttled: {type: 'TooManyRequestsException', status: 429, message: 'Rate exceeded'},
    handlers: {
      ...functionsApi(functions, {
        cloud,
        roles,
        images,
        registry,
        buckets,
        tagsOfMapping: (arn) => mappings.tagsOf(arn),
        onChange: tend,
        onDelete: (name) => void fleet.end((unit) => unit.function === name),
      }),
      ...accessApi(functions, cloud),
      ...concurrencyApi(functions, cloud, {
        onChange: tend,
        failed: (fn, version) => isRunnable(version) && fleet.keptFailed(unitOf(fn, version)),
        ready: (fn, version) => (isRunnable(version) ? fleet.keptReady(unitOf(fn, version)) : Infinity),
      }),
      ...mappings.handlers(),
      Invoke: invoke,
    },
    actions: {Invoke: 'lambda:InvokeFunction'},
    resourceOf(_, {FunctionName, Resource, Qualifier, UUID}) {
      if (typeof Resource === 'string') return Resource;
      if (typeof UUID === 'string') return account.arn('lambda', `event-source-mapping:${UUID}`);
      if (typeof FunctionName !== 'string') return '*';
      const {name, qualifier} = parseTarget(
        FunctionName,
        typeof Qualifier === 'string' ? Qualifier : undefined,
      );
      return functionArn(account, name, qualifier);
    },
    inventory: () => [
      ...[...functions.all.values()].flatMap((fn) => [
        `function ${fn.name}`,
        ...[...fn.versions.keys()].map((version) => `version ${fn.name}:${version}`),
        ...[...fn.aliases.keys()].map((alias) => `alias ${fn.name}:${alias}`),
        ...[...fn.urls.keys()].map((key) => `url ${fn.name}:${key}`),
        ...[...fn.provisioned.keys()].map((key) => `provisioned concurrency ${fn.name}:${key}`),
      ]),
      ...mappings.list().map(({source, target}) => `mapping ${source} ${target}`),
    ],
    fleet,
    isUrl: (path) => path.startsWith('/fn/'),
    isSigned: (path) => urlOf(path)?.url.authType === 'AWS_IAM',
    async serveUrl(request, caller) {
      const requestId = randomUUID();
      const say = (status: number, message: string): WireAnswer => ({
        status,
        headers: {'content-type': 'application/json', 'x-amzn-requestid': requestId},
        body: JSON.stringify({Message: message}),
      });
      const found = urlOf(request.path);
      if (found === null) return say(404, 'Not Found');
      const {fn, url, qualifier, rest} = found;
      const arn = functionArn(account, fn.name, qualifier === '$LATEST' ? null : qualifier);
      const mayInvoke = ['lambda:InvokeFunctionUrl', 'lambda:InvokeFunction'].every((action) =>
        account.allows(action, arn),
      );
      const isAllowed = url.authType === 'NONE' ? isPublic(fn, qualifier) : caller === 'owner' && mayInvoke;
      if (!isAllowed) {
        return say(
          403,
          'Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html',
        );
      }
      try {
        const {method, headers, body, query} = request;
        const search = query.size === 0 ? '' : `?${query.toString()}`;
        return await run({name: fn.name, qualifier}, (port) =>
          send(port, {method, path: rest + search, headers, body}),
        );
      } catch (error) {
        if (error instanceof Refusal && error.type === 'TooManyRequestsException')
          return say(429, 'Rate Exceeded.');
        if (error instanceof Refusal || error instanceof InitFailure)
          return say(502, 'Internal Server Error');
        throw error;
      }
    },
    async deliver(arn, event) {
      const payload = Buffer.from(JSON.stringify(event));
      const input = {FunctionName: arn, Payload: payload};
      const {FunctionError, Payload} = await invoke(input, {requestId: randomUUID(), headers: {}});
      const body: unknown = JSON.parse(Buffer.from(Payload ?? Buffer.from('null')).toString('utf8'));
      return {failed: FunctionError !== undefined, body};
    },
    sources: (sourceArn) => mappings.from(sourceArn),
    mayBeInvokedBy(arn, service, sourceArn) {
      const target = parseTarget(arn);
      const policy = functions.all.get(target.name)?.policies.get(target.qualifier ?? '$LATEST');
      return (policy?.statements ?? []).some(
        ({Principal, Action, Condition}) =>
          typeof Principal === 'object' &&
          Principal['Service'] === service &&
          Action === 'lambda:InvokeFunction' &&
          [undefined, sourceArn].includes(Condition?.['ArnLike']?.['AWS:SourceArn']) &&
          [undefined, account.id].includes(Condition?.['StringEquals']?.['AWS:SourceAccount']),
      );
    },
    isPublished(name, qualifier) {
      const fn = functions.all.get(name);
      return fn !== undefined && (fn.aliases.has(qualifier) || fn.versions.has(qualifier));
    },
    provisioned: (name, qualifier) => functions.all.get(name)?.provisioned.get(qualifier)?.requested ?? 0,
    provision(name, qualifier, count) {
      const fn = functions.find({name, qualifier});
      const now = clock.now();
      if (count === 0) fn.provisioned.delete(qualifier);
      else fn.provisioned.set(qualifier, {requested: count, sinceMs: now, modifiedMs: now});
      tend(fn);
    },
    startProactively(name, qualifier) {
      const {fn, version} = invocable({name, qualifier});
      return fleet.startProactively(unitOf(fn, version));
    },
    codeAt(path) {
      const [, name = '', qualifier = null] = CODE_PATH.exec(decodeURIComponent(path)) ?? [];
      const fn = functions.all.get(name);
      const code = fn === undefined ? null : functions.version(fn, qualifier).code;
      return code?.kind === 'zip' ? code.bytes : null;
    },
    async close() {
      await fleet.close();
      await imageFiles?.close();
      await zipFiles.close();
    },
  };
}

function checkJson(payload: Buffer): void {
  try {
    JSON.parse(payload.toString('utf8'));
  } catch (error) {
    throw new Refusal(
      'InvalidRequestContentException',
      `Could not parse request body into json: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: {readonly [name: string]: string};
  readonly body: Buffer;
}

/** Sends a request to a sandbox and brings back its whole answer. */
function send(port: number, {method, path, headers, body}: Sent): Promise<WireAnswer> {
  return new Promise((resolve, reject) => {
    const toSandbox = httpRequest(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        headers: {...headers, 'content-length': body.length, connection: 'close'},
        agent: false,
      },
      (answer) => {
        const status = answer.statusCode ?? 502;
        const given = Object.entries(answer.headers)
          .filter(([name]) => !['connection', 'keep-alive', 'transfer-encoding'].includes(name))
          .map(([name, value]) => [name, String(value)]);
        buffer(answer).then(
          (content) => resolve({status, headers: Object.fromEntries(given), body: content}),
          reject,
        );
      },
    );
    toSandbox.on('error', reject);
    toSandbox.end(body);
  });
}
