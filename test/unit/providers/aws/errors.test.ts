import {describe, expect, it} from 'vitest';
import {ThawError} from '../../../../src/core/errors.ts';
import {
  explainFailure,
  isNotFound,
  isTransient,
  PATIENTLY,
} from '../../../../src/providers/aws/calls/errors.ts';

const asked = {action: 'lambda:CreateFunction', resource: 'credit-scoring'};

function sdkError(name: string, message: string, httpStatusCode?: number): Error {
  const metadata = httpStatusCode === undefined ? {} : {$fault: 'client', $metadata: {httpStatusCode}};
  return Object.assign(new Error(message), {name, ...metadata});
}

const explain = (error: unknown): ThawError => {
  const explained = explainFailure(error, asked);
  expect(explained).toBeInstanceOf(ThawError);
  return explained as ThawError;
};

describe('an error of AWS', () => {
  it.each([
    ['CredentialsProviderError', 'Could not load credentials from any providers', undefined, 'none'],
    ['ExpiredTokenException', 'The security token included in the request is expired', 403, 'expired'],
    ['ExpiredToken', 'expired', 400, 'expired'],
    ['UnrecognizedClientException', 'The security token included in the request is invalid.', 403, 'invalid'],
    ['SignatureDoesNotMatch', 'The request signature we calculated does not match', 403, 'invalid'],
    ['SignatureDoesNotMatch', 'Signature expired', 403, 'clock'],
    [
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large',
      403,
      'clock',
    ],
    ['Error', 'Region is missing', undefined, 'no-region'],
  ])('%s is about credentials', (name, message, status, reason) => {
    const error = explain(sdkError(name, message, status));
    expect([error.code, error.facts['reason']]).toEqual(['CREDENTIALS_MISSING', reason]);
    expect(isTransient(error)).toBe(false);
  });

  it('names the action and the resource that were not allowed, as AWS says them', () => {
    const message =
      'User: arn:aws:iam::123456789012:user/ada is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/thaw-x because no identity-based policy allows the iam:PassRole action';
    const error = explain(sdkError('AccessDeniedException', message, 403));
    expect(error.code).toBe('PERMISSION_DENIED');
    expect(error.facts).toMatchObject({
      action: 'iam:PassRole',
      resource: 'arn:aws:iam::123456789012:role/thaw-x',
      who: 'arn:aws:iam::123456789012:user/ada',
    });
    expect(error.message).toContain('iam:PassRole on arn:aws:iam::123456789012:role/thaw-x');
  });

  it('names what S3 refused to Lambda, which fetches an archive for the caller', () => {
    const message =
      'Your access has been denied by S3, please make sure your request credentials have permission to GetObject for artifacts/thaw/x/ab.zip. S3 Error Code: AccessDenied. S3 Error Message: Access Denied';
    const {code, facts} = explain(sdkError('AccessDeniedException', message, 403));
    expect([code, facts['action'], facts['resource']]).toEqual([
      'PERMISSION_DENIED',
      's3:GetObject',
      'artifacts/thaw/x/ab.zip',
    ]);
  });

  it('names a bucket as S3 quotes it', () => {
    const message =
      'User: arn:aws:iam::123456789012:user/ada is not authorized to perform: s3:ListBucket on resource: "arn:aws:s3:::artifacts" because no identity-based policy allows the s3:ListBucket action';
    const {facts} = explain(sdkError('AccessDenied', message, 403));
    expect([facts['action'], facts['resource']]).toEqual(['s3:ListBucket', 'arn:aws:s3:::artifacts']);
  });

  it('names what was asked where AWS does not say it', () => {
    expect(explain(sdkError('AccessDenied', 'Access Denied', 403)).facts).toMatchObject(asked);
  });

  it.each([
    ['TooManyRequestsException', 'Rate exceeded', 429, 'PROVIDER_REFUSED'],
    ['ThrottlingException', 'Rate exceeded', 400, 'PROVIDER_REFUSED'],
    ['ServiceException', 'oops', 500, 'PROVIDER_UNREACHABLE'],
    [
      'ResourceConflictException',
      'The operation cannot be performed at this time. An update is in progress for resource: x',
      409,
      'PROVIDER_CONFLICT',
    ],
    [
      'InvalidParameterValueException',
      'The role defined for the function cannot be assumed by Lambda.',
      400,
      'PROVIDER_REFUSED',
    ],
    ['ConcurrentUpdateException', 'try later', 400, 'PROVIDER_CONFLICT'],
    ['TimeoutError', 'connection timed out', undefined, 'PROVIDER_UNREACHABLE'],
  ])('%s passes', (name, message, status, code) => {
    const error = explain(sdkError(name, message, status));
    expect([error.code, PATIENTLY.when(error)]).toEqual([code, true]);
  });

  it.each([
    ['ResourceConflictException', 'Function already exist: credit-scoring', 409, 'PROVIDER_CONFLICT'],
    [
      'PreconditionFailedException',
      'The Revision Id provided does not match the latest Revision Id.',
      412,
      'PROVIDER_CONFLICT',
    ],
    [
      'InvalidParameterValueException',
      "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 3008",
      400,
      'PROVIDER_REFUSED',
    ],
    ['ResourceNotFoundException', 'Function not found', 404, 'PROVIDER_REFUSED'],
  ])('%s does not', (name, message, status, code) => {
    const error = explain(sdkError(name, message, status));
    expect([error.code, PATIENTLY.when(error)]).toEqual([code, false]);
    expect(error.message).toContain(message);
    expect(error.facts['reason']).toBe(name);
  });

  it.each(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN'])('%s is no answer', (code) => {
    const error = explain(Object.assign(new Error('connect'), {code}));
    expect([error.code, isTransient(error)]).toEqual(['PROVIDER_UNREACHABLE', true]);
  });

  it('says that what is asked for is not there', () => {
    expect(isNotFound(explain(sdkError('NoSuchEntityException', 'no role', 404)))).toBe(true);
    expect(isNotFound(explain(sdkError('RepositoryNotFoundException', 'no', 400)))).toBe(true);
    expect(isNotFound(explain(sdkError('AccessDenied', 'no', 403)))).toBe(false);
  });

  it('is an interruption once the signal has fired', () => {
    const explained = explainFailure(sdkError('AbortError', 'aborted'), asked, AbortSignal.abort());
    expect((explained as ThawError).code).toBe('INTERRUPTED');
  });

  it('stays what it is where it is a bug', () => {
    const bug = new TypeError('undefined is not a function');
    expect(explainFailure(bug, asked)).toBe(bug);
  });
});
