import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {buffer} from 'node:stream/consumers';
import {
  startFakeRegistry,
  type FakeRegistry,
  type Fault as RegistryFault,
} from '../../unit/image/registry/fake-registry.ts';
import {Account} from './account.ts';
import {createSkippingClock, type SkippingClock} from './clock.ts';
import {PACES, type Cloud, type Paces, type Service} from './cloud.ts';
import {createDelivery, type Delivery} from './delivery.ts';
import {answer, check, isRead, openService, operationName, refuse, type OpenService} from './dispatch.ts';
import {Faults, type Fault} from './faults.ts';
import {Rate} from './rate.ts';
import {Refusal} from './refusal.ts';
import type {Fleet} from './sandboxes/fleet.ts';
import {createEcr, type Images} from './services/ecr.ts';
import {createEvents} from './services/events.ts';
import {createIam, type Roles} from './services/iam.ts';
import {createLambda, type LambdaPlane} from './services/lambda.ts';
import {createLogs} from './services/logs.ts';
import {createS3, type Buckets} from './services/s3.ts';
import {createScaling, type Scheduler} from './services/scaling.ts';
import {createSecretsManager, createSsm, type Values} from './services/secret-stores.ts';
import {createSqs, type Queues} from './services/sqs.ts';
import {createSts} from './services/sts.ts';
import {readScope, verifySignature} from './verify.ts';
import type {Decoded, WireAnswer, WireRequest} from './wire/message.ts';

export interface FakeAwsOptions {
  readonly region?: string;
  readonly accountId?: string;
  readonly paces?: Partial<Paces>;
  /** Lists are given out in pages of at most so many. */
  readonly pageSize?: number;
  /** Whether invocations run images; false for tests of the control plane alone. */
  readonly runs?: boolean;
  /** How many requests Lambda's control plane takes in a second: 15 in a real account; any number if not given. */
  readonly requestsPerSecond?: number;
}

/** A request that was made, and what came of it. */
export interface SeenRequest {
  readonly operation: string;
  readonly resource: string;
  /** It leaves everything as it is. */
  readonly reads: boolean;
  readonly input: {readonly [member: string]: unknown};
  /** Null: it was not answered. */
  status: number | null;
  /** What it was refused with; null: nothing. */
  error: string | null;
}

export interface FakeAws {
  readonly url: string;
  /** What the SDK's clients have to find in their environment. */
  readonly env: {readonly [name: string]: string};
  readonly clock: SkippingClock;
  readonly account: Account;
  readonly faults: Faults;
  readonly registry: FakeRegistry;
  /** @param n 0: the next request to the registry */
  breakRegistry(n: number, fault: RegistryFault): void;
  readonly requests: readonly SeenRequest[];
  /** The operations that changed something, or tried. */
  writes(): readonly string[];
  /** Everything that exists and may cost something, by names that are the same whenever the same exists. */
  inventory(): readonly string[];
  readonly fleet: Fleet;
  readonly lambda: Pick<LambdaPlane, 'startProactively'>;
  /** Things of somebody else. */
  readonly roles: Pick<Roles, 'plant'>;
  readonly repositories: Pick<Images, 'plant'>;
  readonly buckets: Buckets;
  readonly queues: Queues;
  readonly parameters: Values;
  readonly secrets: Values;
  /** Brings events to the functions that asked for them. */
  readonly deliver: Delivery;
  readonly scheduler: Scheduler;
  close(): Promise<void>;
}

/** AWS on this machine, for tests: one server for all its services, which tells them by what requests are signed for. */
export async function openFakeAws(options: FakeAwsOptions = {}): Promise<FakeAws> {
  const {
    region = 'eu-central-1',
    accountId = '123456789012',
    paces = {},
    pageSize = 50,
    runs = true,
  } = options;
  const account = new Account(accountId, region);
  const clock = createSkippingClock();
  const faults = new Faults();
  const rate = new Rate(clock, options.requestsPerSecond ?? Infinity);
  const requests: SeenRequest[] = [];
  let url = '';
  const cloud: Cloud = {clock, account, paces: {...PACES, ...paces}, pageSize, origin: () => url};

  const sts = createSts(cloud);
  const iam = createIam(cloud);
  const logs = createLogs(cloud);
  const ecr = createEcr(cloud, () => registry);
  const lambda = createLambda({
    cloud,
    roles: iam,
    images: ecr,
    registry: () => registry,
    queues: () => sqs,
    buckets: () => s3,
    logs,
    runs,
  });
  const scaling = createScaling(cloud, lambda);
  const s3 = createS3(cloud, (arn, bucket) => lambda.mayBeInvokedBy(arn, 's3.amazonaws.com', bucket));
  const events = createEvents(cloud);
  const [sqs, ssm, secrets] = [createSqs(cloud), createSsm(cloud), createSecretsManager(cloud)];
  const services: readonly Service[] = [sts, iam, logs, ecr, lambda, scaling, s3, sqs, ssm, secrets, events];
  const byScope = new Map(services.map((service) => [service.scope, service]));
  const opened = new Map<string, Promise<OpenService>>();

  const registryFaults = new Map<number, RegistryFault>();
  let registryRequests = 0;
  const registry = await startFakeRegistry({
    ...ecr.registryOptions,
    fault() {
      const n = registryRequests++;
      if (faults.isGone) return 'reset before reading';
      const fault = registryFaults.get(n) ?? null;
      registryFaults.delete(n);
      return fault;
    },
    other: (request, response) => {
      response.once('close', clock.busy());
      return ecr.registryOptions.other?.(request, response) ?? false;
    },
  });

  const serviceOf = async (scope: string): Promise<OpenService | null> => {
    const service = byScope.get(scope);
    if (service === undefined) return null;
    const open = opened.get(scope) ?? openService(service);
    opened.set(scope, open);
    return open;
  };

  const serveApi = async (request: WireRequest, response: ServerResponse): Promise<void> => {
    const scope = readScope(request.headers);
    const open = scope === null ? null : await serviceOf(scope.service);
    if (open === null) {
      const message =
        scope === null ? 'Missing Authentication Token' : `the fake has no service ${scope.service}`;
      return reply(
        response,
        plain(scope === null ? 403 : 404, 'MissingAuthenticationTokenException', message),
      );
    }
    const decoded = open.protocol.decode(request);
    if (decoded === null) {
      return reply(response, await refuseUnknown(open, request));
    }
    const seen: SeenRequest = {
      operation: operationName(open, decoded),
      resource: '*',
      reads: isRead(decoded),
      input: decoded.input,
      status: null,
      error: null,
    };
    requests.push(seen);
    const fault = faults.take(seen) ?? (rate.take(seen.operation) ? null : 'throttle');
    if (fault === 'reset') return void response.socket?.resetAndDestroy();
    if (fault === 'timeout') return;
    const {said, refusal} = await decide(open, decoded, request, fault, seen);
    if (fault === 'reset after') return void response.socket?.resetAndDestroy();
    seen.status = said.status;
    seen.error = refusal;
    reply(response, said);
  };

  const refuseUnknown = async (open: OpenService, request: WireRequest): Promise<WireAnswer> => {
    const message = `no operation of ${open.service.scope}: ${request.method} ${request.path}`;
    const unknown = new Refusal('UnknownOperationException', message, {status: 404});
    const wrong = await verifySignature(request, account, [Date.now(), clock.now()]).then(
      () => null,
      (error: unknown) => error,
    );
    return refuse(open, wrong instanceof Refusal ? wrong : unknown);
  };

  const decide = async (
    open: OpenService,
    decoded: Decoded,
    request: WireRequest,
    fault: Fault | null,
    seen: SeenRequest,
  ): Promise<{readonly said: WireAnswer; readonly refusal: string | null}> => {
    try {
      if (fault !== null && fault !== 'reset after') throw brokenBy(fault, open);
      await verifySignature(request, account, [Date.now(), clock.now()]);
      Object.assign(seen, {resource: check(open, decoded, account)});
      return {said: await answer(open, decoded, request.headers), refusal: null};
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return {said: refuse(open, error), refusal: error.type};
    }
  };

  const serveUrl = async (request: WireRequest, response: ServerResponse): Promise<void> => {
    const {path, headers} = request;
    const seen: SeenRequest = {
      operation: 'lambda-url:Invoke',
      resource: path,
      reads: true,
      input: {},
      status: null,
      error: null,
    };
    requests.push(seen);
    let caller: 'nobody' | 'owner' = 'nobody';
    if (lambda.isSigned(path) && headers['authorization'] !== undefined) {
      try {
        await verifySignature(request, account, [Date.now(), clock.now()]);
        if (readScope(headers)?.service === 'lambda') caller = 'owner';
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        seen.status = 403;
        seen.error = error.type;
        return reply(response, plain(403, error.type, error.message));
      }
    }
    const said = await lambda.serveUrl(request, caller);
    seen.status = said.status;
    reply(response, said);
  };

  const server = createServer((incoming, response) => {
    incoming.on('error', () => undefined);
    response.on('error', () => undefined);
    const idle = clock.busy();
    readWhole(incoming)
      .then((request) => {
        const code = request.method === 'GET' ? lambda.codeAt(request.path) : null;
        if (code !== null) return void response.end(code);
        return (lambda.isUrl(request.path) ? serveUrl : serveApi)(request, response);
      })
      .catch((error: unknown) => {
        // The fake's own bug: it must not pass for something that passes.
        console.error(error);
        if (!response.headersSent) reply(response, plain(501, 'FakeIsBroken', String(error)));
      })
      .finally(idle);
  });
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url,
    env: {
      AWS_ENDPOINT_URL: url,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: account.accessKeyId,
      AWS_SECRET_ACCESS_KEY: account.secretAccessKey,
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    },
    clock,
    account,
    faults,
    registry,
    breakRegistry: (n, fault) => void registryFaults.set(registryRequests + n, fault),
    requests,
    writes: () => requests.filter(({reads}) => !reads).map(({operation}) => operation),
    inventory: () => services.flatMap((service) => service.inventory()).sort(),
    fleet: lambda.fleet,
    lambda,
    roles: iam,
    repositories: ecr,
    buckets: s3,
    queues: sqs,
    parameters: ssm,
    secrets,
    scheduler: scaling,
    deliver: createDelivery({
      sources: (arn) => lambda.sources(arn),
      notifications: (bucket) => s3.notifications(bucket),
      rule: (name) => events.rule(name),
      mayInvoke: (target, service, source) => lambda.mayBeInvokedBy(target, service, source),
      invoke: (target, event) => lambda.deliver(target, event),
    }),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await lambda.close();
      clock.close();
    },
  };
}

async function readWhole(incoming: IncomingMessage): Promise<WireRequest> {
  const [path = '/', search = ''] = (incoming.url ?? '/').split(/\?(.*)/s);
  const headers = Object.entries(incoming.headers).map(([name, value]) => [name, String(value)] as const);
  return {
    method: incoming.method ?? 'GET',
    path,
    query: new URLSearchParams(search),
    headers: Object.fromEntries(headers),
    body: await buffer(incoming),
  };
}

function reply(response: ServerResponse, {status, headers, body}: WireAnswer): void {
  if (response.destroyed) return;
  const bodiless = status === 204 || status === 304;
  response.writeHead(status, {...headers, ...(!bodiless && {'content-length': Buffer.byteLength(body)})});
  response.end(bodiless ? undefined : body);
}

function plain(status: number, type: string, message: string): WireAnswer {
  return {
    status,
    headers: {'content-type': 'application/json', 'x-amzn-errortype': type},
    body: JSON.stringify({Message: message}),
  };
}

function brokenBy(fault: Fault, {service}: OpenService): Refusal {
  if (typeof fault === 'object') {
    const {type, message, status = null} = fault;
    return new Refusal(type, message, {status});
  }
  if (fault === 'throttle') {
    const {type, status, message} = service.throttled;
    return new Refusal(type, message, {status});
  }
  return fault === '503'
    ? new Refusal('ServiceUnavailableException', 'Service is unavailable', {status: 503})
    : new Refusal('ServiceException', 'Internal error', {status: 500});
}
