import {randomUUID} from 'node:crypto';
import type {Account} from './account.ts';
import type {Call, Service} from './cloud.ts';
import {enumsOf} from './enums.ts';
import {Refusal} from './refusal.ts';
import {findViolations, readError, type OperationShape} from './schema.ts';
import type {Decoded, Protocol, WireAnswer, WireRequest} from './wire/message.ts';

/** A service that is ready to be spoken to. */
export interface OpenService {
  readonly service: Service;
  readonly client: object;
  readonly protocol: Protocol;
}

export async function openService(service: Service): Promise<OpenService> {
  const client = await service.loadClient();
  return {service, client, protocol: service.protocol(client)};
}

/** `lambda:CreateFunction` */
export const operationName = ({service}: OpenService, {operation}: Decoded): string =>
  `${service.prefix}:${operation.name}`;

const READS = /^(?:Get|List|Describe|Head|BatchGet|BatchCheck|Simulate|Filter)/;
/** Whether an operation leaves everything as it is. */
export const isRead = ({operation}: Decoded): boolean =>
  READS.test(operation.name) || operation.name === 'Invoke';

/** What of a request nobody may do, or nobody can, by the service's model. */
export function check({service, client}: OpenService, {operation, input}: Decoded, account: Account): string {
  const resource = service.resourceOf(operation.name, input);
  account.demand(service.actions?.[operation.name] ?? `${service.prefix}:${operation.name}`, resource);
  const violations = findViolations(operation.input, input, enumsOf(service.scope, client));
  const strange = violations.filter(({what}) => what === 'unknown' || what === 'type');
  if (strange.length > 0) {
    throw new Refusal('SerializationException', strange.map(({message}) => message).join('; '), {
      status: 400,
    });
  }
  if (violations.length > 0) {
    const {length} = violations;
    const messages = violations.map(({message}) => message).join('; ');
    throw new Refusal(
      VIOLATION[service.scope] ?? 'ValidationException',
      `${length} validation error${length === 1 ? '' : 's'} detected: ${messages}`,
      {status: 400},
    );
  }
  return resource;
}

/** What services call a request that is not what their model says. */
const VIOLATION: {readonly [scope: string]: string} = {
  iam: 'ValidationError',
  sts: 'ValidationError',
  ecr: 'InvalidParameterException',
  logs: 'InvalidParameterException',
  s3: 'MalformedXML',
};

export async function answer(
  {service, protocol}: OpenService,
  {operation, input}: Decoded,
  headers: WireRequest['headers'],
): Promise<WireAnswer> {
  const handler = service.handlers[operation.name];
  if (handler === undefined) {
    throw new Refusal(
      'NotImplementedException',
      `the fake does not have ${service.prefix}:${operation.name}`,
      {
        status: 501,
      },
    );
  }
  const call: Call = {requestId: randomUUID(), headers};
  const output: unknown = await handler(input as never, call);
  checkOutput(operation, output);
  return protocol.encode(operation, output, call.requestId);
}

/**
 * Holds the fake itself to the model.
 *
 * @throws TypeError
 */
function checkOutput({name, output: schema}: OperationShape, output: unknown): void {
  if (output === undefined) return;
  // A member that is undefined is left out.
  const said = Object.fromEntries(Object.entries(output as object).filter(([, each]) => each !== undefined));
  const [wrong] = findViolations(schema, said, () => undefined);
  if (wrong !== undefined) throw new TypeError(`the fake answers ${name} wrongly: ${wrong.message}`);
}

/** What the query protocol and S3 call what the JSON services call otherwise. */
const OTHER_NAMES: {readonly [type: string]: {readonly query: string; readonly s3: string}} = {
  AccessDeniedException: {query: 'AccessDenied', s3: 'AccessDenied'},
  ExpiredTokenException: {query: 'ExpiredToken', s3: 'ExpiredToken'},
  InvalidSignatureException: {query: 'SignatureDoesNotMatch', s3: 'SignatureDoesNotMatch'},
  UnrecognizedClientException: {query: 'InvalidClientTokenId', s3: 'InvalidAccessKeyId'},
  MissingAuthenticationTokenException: {query: 'MissingAuthenticationToken', s3: 'AccessDenied'},
};

/** Says a refusal as the service says it. */
export function refuse({service, client, protocol}: OpenService, refusal: Refusal): WireAnswer {
  const other = OTHER_NAMES[refusal.type];
  const speaks = service.scope === 's3' ? 's3' : ['iam', 'sts'].includes(service.scope) ? 'query' : 'json';
  const type = other === undefined || speaks === 'json' ? refusal.type : other[speaks];
  const model = readError(client, type);
  const denied = refusal.type === 'AccessDeniedException';
  const deniedStatus = speaks === 'json' && service.scope !== 'lambda' ? 400 : 403;
  const status = refusal.status ?? (denied ? deniedStatus : model.status);
  const said = new Refusal(type, refusal.message, {status, members: refusal.members});
  return protocol.encodeError({refusal: said, status, code: model.code}, randomUUID());
}
