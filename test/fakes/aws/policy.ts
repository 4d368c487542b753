/** A policy as IAM takes it, as far as callers of the fake have them. */
export interface PolicyDocument {
  readonly Statement: readonly {
    readonly Effect: 'Allow' | 'Deny';
    readonly Action: string | readonly string[];
    readonly Resource: string | readonly string[];
    readonly Condition?: {readonly [operator: string]: {readonly [key: string]: string | readonly string[]}};
  }[];
}

export type Decision = 'allowed' | 'explicitDeny' | 'implicitDeny';

/** What is known of a request, by the keys that conditions ask for, in lower case. */
export type RequestContext = ReadonlyMap<string, readonly string[]>;

const listOf = (value: string | readonly string[]): readonly string[] =>
  typeof value === 'string' ? [value] : value;

/** Stars and question marks, as IAM has them. */
function matches(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's').test(text);
}

/**
 * Decides as IAM does: what is denied is denied, and what nothing allows as well.
 *
 * @param context null: nobody knows; what is bound to conditions is allowed, and not denied
 */
export function evaluate(
  {Statement}: PolicyDocument,
  action: string,
  resource: string,
  context: RequestContext | null,
): Decision {
  const said = Statement.filter(
    ({Effect, Action, Resource, Condition = {}}) =>
      listOf(Action).some((each) => matches(each.toLowerCase(), action.toLowerCase())) &&
      listOf(Resource).some((each) => matches(each, resource)) &&
      (context === null ? Effect === 'Allow' || !hasKeys(Condition) : isFulfilled(Condition, context)),
  );
  if (said.some(({Effect}) => Effect === 'Deny')) return 'explicitDeny';
  return said.length > 0 ? 'allowed' : 'implicitDeny';
}

type Condition = NonNullable<PolicyDocument['Statement'][number]['Condition']>;

const hasKeys = (condition: Condition): boolean => Object.keys(condition).length > 0;

function isFulfilled(condition: Condition, context: RequestContext): boolean {
  return Object.entries(condition).every(([operator, keys]) =>
    Object.entries(keys).every(([key, wanted]) => {
      const given = context.get(key.toLowerCase());
      // What a request does not say fulfils nothing, but for operators that let it.
      if (given === undefined) return operator.endsWith('IfExists') || /^(String|Arn)Not/.test(operator);
      const isMet = given.some((value) => listOf(wanted).some((each) => matches(each, value)));
      return /^(String|Arn)Not/.test(operator) ? !isMet : isMet;
    }),
  );
}

/** The keys that a policy's conditions ask for. */
export const keysOf = ({Statement}: PolicyDocument): string[] => [
  ...new Set(Statement.flatMap(({Condition = {}}) => Object.values(Condition).flatMap(Object.keys))),
];
