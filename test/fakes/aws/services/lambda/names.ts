import type {Account} from '../../account.ts';
import {Refusal} from '../../refusal.ts';

/** What a request is about: a function, and of it a version or an alias. */
export interface Target {
  readonly name: string;
  /** Null: none was named, so `$LATEST`. */
  readonly qualifier: string | null;
}

const REFERENCE =
  /^(?:arn:aws:lambda:[a-z0-9-]+:\d{12}:function:|\d{12}:function:|function:)?([A-Za-z0-9_-]{1,64})(?::(\$LATEST|[A-Za-z0-9_-]+))?$/;

/**
 * Reads a function's name in all the forms that Lambda takes: alone, with a qualifier, as (part of) an ARN.
 *
 * @throws Refusal ValidationException
 */
export function parseTarget(reference: string | undefined, qualifier?: string): Target {
  const [, name, inName] = REFERENCE.exec(reference ?? '') ?? [];
  if (name === undefined) {
    throw new Refusal(
      'ValidationException',
      `1 validation error detected: Value '${reference}' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?`,
    );
  }
  if (inName !== undefined && qualifier !== undefined && inName !== qualifier) {
    throw new Refusal(
      'InvalidParameterValueException',
      'The derived qualifier from the function name does not match the specified qualifier.',
    );
  }
  return {name, qualifier: qualifier ?? inName ?? null};
}

/** A function's ARN, with its qualifier if there is one. */
export function functionArn(account: Account, name: string, qualifier: string | null = null): string {
  return account.arn('lambda', `function:${name}${qualifier === null ? '' : `:${qualifier}`}`);
}

export function notFound(account: Account, {name, qualifier}: Target): Refusal {
  return new Refusal(
    'ResourceNotFoundException',
    `Function not found: ${functionArn(account, name, qualifier)}`,
    {status: 404, members: {Type: 'User'}},
  );
}
