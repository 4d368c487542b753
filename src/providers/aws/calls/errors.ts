import {messageOf, systemCode, ThawError} from '../../../core/errors.ts';
import type {JsonObject} from '../../../core/json.ts';
import type {Context, Retry} from '../../../core/driver.ts';

/** A call as AWS names it, and what it was about. */
export interface Asked {
  /** `lambda:CreateFunction` */
  readonly action: string;
  /** The name or ARN of what it was to act on. */
  readonly resource: string;
}

/** The part of the SDK's errors that thaw reads. */
interface SdkError {
  readonly name?: string;
  readonly message?: string;
  readonly $fault?: string;
  readonly $metadata?: {readonly httpStatusCode?: number; readonly requestId?: string};
}

const EXPIRED = /^(ExpiredToken(Exception)?|TokenRefreshRequired)$/;
const SKEWED = /^(RequestTimeTooSkewed|RequestExpired|RequestInTheFuture)$/;
/** Services say it by the name that a wrong signature has. */
const SKEWED_SIGNATURE = /Signature (not yet current|expired)/i;
const NOT_VALID =
  /^(UnrecognizedClient(Exception)?|InvalidClientTokenId|InvalidAccessKeyId|InvalidToken|SignatureDoesNotMatch|InvalidSignature(Exception)?|IncompleteSignature(Exception)?|MissingAuthenticationToken(Exception)?|NotSignedUp|OptInRequired|AuthFailure)$/;
const NONE_FOUND = /^(CredentialsProviderError|TokenProviderError|ProviderError|ParseError)$/;
const DENIED =
  /^(AccessDenied(Exception)?|AccessDeniedException|NotAuthorized|UnauthorizedOperation|AuthorizationError(Exception)?|Forbidden|UnauthorizedException|KMSAccessDeniedException|PublicPolicyException)$/;
const CONFLICT =
  /^(ResourceConflictException|ResourceInUseException|PreconditionFailedException|ConcurrentUpdateException|ConcurrentModification(Exception)?|DeleteConflict(Exception)?|EntityAlreadyExists(Exception)?|OperationAborted(Exception)?|ResourceAlreadyExistsException|RepositoryAlreadyExistsException|EntityTemporarilyUnmodifiable(Exception)?|AliasLimitExceededException|ProvisionedConcurrencyConfigConflictException)$/;
const THROTTLED =
  /^(Throttling(Exception)?|ThrottledException|TooManyRequests(Exception)?|RequestLimitExceeded|RequestThrottled(Exception)?|SlowDown|BandwidthLimitExceeded|PriorRequestNotComplete|EC2ThrottledException)$/;
const NETWORK =
  /^(ECONN|ENOTFOUND|EAI_|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_TLS|ERR_SSL|EPROTO|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO)/;
const NOT_FOUND =
  /^(ResourceNotFound(Exception)?|NoSuchEntity(Exception)?|RepositoryNotFoundException|ImageNotFoundException|ProvisionedConcurrencyConfigNotFoundException|ObjectNotFoundException|PolicyNotFoundException|NoSuchBucket|QueueDoesNotExist|AWS\.SimpleQueueService\.NonExistentQueue|NotFound(Exception)?)$/;

/** Refusals of InvalidParameterValueException that pass: IAM is not known everywhere at once. */
const NOT_YET_KNOWN =
  /cannot be assumed by Lambda|role defined for the function cannot be assumed|execution role does not have permissions|does not have permission to access the specified image|Unable to validate the following destination configurations|The provided principal was invalid|KMS key is invalid for/i;
/** Conflicts that pass by themselves; a changed revision and a name that is taken do not. */
const IN_PROGRESS =
  /update is in progress|in progress|currently in the following state|The function is currently|operation cannot be performed at this time|another operation|try again|is being deleted|conflict.*concurrent|currently being/i;

/** Whether what a call was about is not there. */
export const isNotFound = (error: unknown): boolean => NOT_FOUND.test(nameOf(error));

/** The name of an error as AWS gave it, also through a ThawError. */
export function nameOf(error: unknown): string {
  if (error instanceof ThawError) {
    const {reason} = error.facts;
    return typeof reason === 'string' ? reason : '';
  }
  return (error as SdkError | null)?.name ?? '';
}

/**
 * Says what a failed call means. What passes by itself carries the fact `transient: true`.
 *
 * @returns a ThawError CREDENTIALS_MISSING, PERMISSION_DENIED, PROVIDER_CONFLICT, PROVIDER_REFUSED,
 *   PROVIDER_UNREACHABLE or INTERRUPTED; an error that is none of AWS's as it is: a bug
 */
export function explainFailure(error: unknown, {action, resource}: Asked, signal?: AbortSignal): unknown {
  if (error instanceof ThawError) return error;
  if (signal?.aborted) return new ThawError('INTERRUPTED', 'interrupted', {}, {cause: error});
  const {name = '', $metadata, $fault} = (error ?? {}) as SdkError;
  const message = messageOf(error).trim();
  const status = $metadata?.httpStatusCode ?? null;
  const facts: JsonObject = {provider: 'aws', action, resource, reason: name, status};
  const options = {cause: error};

  if (/region is missing/i.test(message)) {
    const text = 'no AWS region is set: not in thaw.yaml, not in AWS_REGION, not in the profile';
    return new ThawError('CREDENTIALS_MISSING', text, {...facts, reason: 'no-region'}, options);
  }
  if (NONE_FOUND.test(name)) {
    const text = `no AWS credentials: ${firstLine(message)}`;
    return new ThawError('CREDENTIALS_MISSING', text, {...facts, reason: 'none'}, options);
  }
  if (SKEWED.test(name) || (NOT_VALID.test(name) && SKEWED_SIGNATURE.test(message))) {
    const text = `AWS takes this machine's clock for wrong: ${firstLine(message)}`;
    return new ThawError('CREDENTIALS_MISSING', text, {...facts, reason: 'clock'}, options);
  }
  if (EXPIRED.test(name)) {
    const text = `the AWS credentials have expired: ${firstLine(message)}`;
    return new ThawError('CREDENTIALS_MISSING', text, {...facts, reason: 'expired'}, options);
  }
  if (NOT_VALID.test(name)) {
    const text = `AWS does not know these credentials: ${firstLine(message)}`;
    return new ThawError('CREDENTIALS_MISSING', text, {...facts, reason: 'invalid'}, options);
  }
  if (DENIED.test(name) || (status === 403 && !THROTTLED.test(name))) {
    const denied = readDenial(message, {action, resource});
    const text = `not allowed: ${denied.action} on ${denied.resource}`;
    return new ThawError('PERMISSION_DENIED', text, {...facts, ...denied, message}, options);
  }
  if (THROTTLED.test(name) || status === 429) {
    const text = `AWS asks for fewer calls of ${action}: ${message}`;
    return new ThawError('PROVIDER_REFUSED', text, {...facts, transient: true}, options);
  }
  if (CONFLICT.test(name)) {
    const transient =
      IN_PROGRESS.test(message) || /^(Concurrent|DeleteConflict|OperationAborted|ResourceInUse)/.test(name);
    const text = `${action} on ${resource} was refused: ${message}`;
    return new ThawError('PROVIDER_CONFLICT', text, {...facts, transient}, options);
  }
  const code = systemCode(error) ?? systemCode((error as {cause?: unknown} | null)?.cause);
  if (isWire(name, code, message) || (status !== null && status >= 500)) {
    const text = `${action} on ${resource} got no answer from AWS: ${message === '' ? (code ?? name) : message}`;
    return new ThawError('PROVIDER_UNREACHABLE', text, {...facts, transient: true}, options);
  }
  if (status !== null || $fault !== undefined) {
    const text = `${action} on ${resource} was refused: ${name === '' ? '' : `${name}: `}${message}`;
    return new ThawError(
      'PROVIDER_REFUSED',
      text,
      {...facts, transient: NOT_YET_KNOWN.test(message)},
      options,
    );
  }
  return error;
}

const isWire = (name: string, code: string | undefined, message: string): boolean =>
  NETWORK.test(code ?? '') ||
  name === 'TimeoutError' ||
  name === 'NetworkingError' ||
  /socket hang up|getaddrinfo|connect(ion)? (timed out|refused|reset)/i.test(message);

const firstLine = (text: string): string => text.split('\n')[0] ?? '';

/** Names what somebody may not do, from what AWS says, be it through something that is not its API. */
export function explainDenial(message: string, asked: Asked, options: {readonly cause: unknown}): ThawError {
  const denied = readDenial(message, asked);
  const facts = {provider: 'aws', ...denied, message};
  return new ThawError(
    'PERMISSION_DENIED',
    `not allowed: ${denied.action} on ${denied.resource}`,
    facts,
    options,
  );
}

/** AWS says who may not do what on what: `User: … is not authorized to perform: … on resource: …`. */
function readDenial(message: string, asked: Asked): {action: string; resource: string; who?: string} {
  const who = /User:\s+(\S+)/.exec(message)?.[1];
  // What Lambda fetches for the caller S3 may refuse it.
  const [, forIt, from] = /denied by S3.* permission to (\w+) for (\S+?)\.?(?:\s|$)/s.exec(message) ?? [];
  if (forIt !== undefined && from !== undefined) return {action: `s3:${forIt}`, resource: from};
  const action = /perform:\s+([\w-]+:\w+)/.exec(message)?.[1] ?? asked.action;
  const resource = /on resource:\s+"?([^\s"]+?)"?[.,]?(?:\s|$)/.exec(message)?.[1] ?? asked.resource;
  return {action, resource, ...(who === undefined ? {} : {who})};
}

/** Calls AWS, and says in thaw's words why that failed. */
export async function ask<T>(asked: Asked, signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw explainFailure(error, asked, signal);
  }
}

/** The same, where what is asked for may not be there. */
export async function askFor<T>(
  asked: Asked,
  signal: AbortSignal,
  call: () => Promise<T>,
): Promise<T | null> {
  return nullIfMissing(ask(asked, signal, call));
}

/** Reads are tried again for so long, if they fail in a way that passes. */
const READ_MS_MAX = 30_000;
const READ_WAIT_MS = {first: 300, max: 3000};

/** Reads from AWS: what passes is tried again, once in any case, and for half a minute. */
export async function look<T>(asked: Asked, {ports, signal}: Looking, call: () => Promise<T>): Promise<T> {
  const {clock} = ports;
  const untilMs = clock.monotonicMs() + READ_MS_MAX;
  // A call that is never answered may take all of that time.
  let again = false;
  for (let waitMs = READ_WAIT_MS.first; ; waitMs = Math.min(READ_WAIT_MS.max, waitMs * 2)) {
    try {
      return await ask(asked, signal, call);
    } catch (error) {
      if (!isTransient(error) || (again && clock.monotonicMs() >= untilMs)) throw error;
      again = true;
      await clock.sleep(waitMs, signal);
    }
  }
}

type Looking = Pick<Context, 'ports' | 'signal'>;

/** The same, where what is asked for may not be there. */
export async function lookFor<T>(asked: Asked, context: Looking, call: () => Promise<T>): Promise<T | null> {
  return nullIfMissing(look(asked, context, call));
}

async function nullIfMissing<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ThawError && isNotFound(error)) return null;
    throw error;
  }
}

/** Runs a call whose work may be done already, which AWS says by one of these names. */
export async function unless(names: readonly string[], call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    const transient = error instanceof ThawError && error.facts['transient'] === true;
    if (!names.includes(nameOf(error)) || transient) throw error;
  }
}

/** Whether a failure passes by itself. */
export const isTransient = (error: unknown): boolean =>
  error instanceof ThawError && error.facts['transient'] === true;

/** What passes is tried again for two minutes: IAM takes seconds, an update of a function may take a minute. */
export const PATIENTLY: Retry = {when: isTransient, firstMs: 500, maxMs: 5000, forMs: 120_000};
