import type * as Lambda from '@aws-sdk/client-lambda';
import type {Account} from '../../account.ts';
import {Refusal} from '../../refusal.ts';

/** Something that the client's schemas do not say, and the service insists on. */
export interface Rule<T> {
  /** Where it is said. */
  readonly source: string;
  /** Null: it is held. */
  readonly broken: (input: T, account: Account) => Refusal | null;
}

/** What creating and changing functions have in common. */
export type Settings = Partial<
  Pick<
    Lambda.CreateFunctionRequest,
    | 'MemorySize'
    | 'Timeout'
    | 'EphemeralStorage'
    | 'Environment'
    | 'Description'
    | 'VpcConfig'
    | 'SnapStart'
    | 'LoggingConfig'
    | 'Layers'
    | 'Role'
  >
>;

const MODEL = 'github.com/aws/api-models-aws, lambda-2015-03-31.json';
const LIMITS = 'docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html';
const VARIABLES = 'docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html';
const IMAGES = 'docs.aws.amazon.com/lambda/latest/dg/images-create.html';
const SNAPSTART = 'docs.aws.amazon.com/lambda/latest/dg/snapstart.html';
const URLS = 'docs.aws.amazon.com/lambda/latest/dg/urls-auth.html';

const ENVIRONMENT_BYTES_MAX = 4096;
/** Set by Lambda itself. */
const RESERVED = [
  '_HANDLER',
  '_X_AMZN_TRACE_ID',
  'AWS_DEFAULT_REGION',
  'AWS_REGION',
  'AWS_EXECUTION_ENV',
  'AWS_LAMBDA_FUNCTION_NAME',
  'AWS_LAMBDA_FUNCTION_MEMORY_SIZE',
  'AWS_LAMBDA_FUNCTION_VERSION',
  'AWS_LAMBDA_INITIALIZATION_TYPE',
  'AWS_LAMBDA_LOG_GROUP_NAME',
  'AWS_LAMBDA_LOG_STREAM_NAME',
  'AWS_ACCESS_KEY',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_LAMBDA_RUNTIME_API',
  'LAMBDA_TASK_ROOT',
  'LAMBDA_RUNTIME_DIR',
];

const constraint = (value: unknown, at: string, says: string): Refusal =>
  new Refusal(
    'ValidationException',
    `1 validation error detected: Value '${String(value)}' at '${at}' failed to satisfy constraint: ${says}`,
  );
const invalid = (message: string): Refusal => new Refusal('InvalidParameterValueException', message);

/** A number within its range. */
function inRange<T>(
  at: string,
  valueOf: (input: T) => number | undefined,
  min: number,
  max: number,
): Rule<T> {
  return {
    source: `${MODEL}: smithy.api#range of ${at}`,
    broken(input) {
      const value = valueOf(input);
      if (value === undefined || (value >= min && value <= max)) return null;
      return value < min
        ? constraint(value, at, `Member must have value greater than or equal to ${min}`)
        : constraint(value, at, `Member must have value less than or equal to ${max}`);
    },
  };
}

/** A text that looks as it must. */
function matching<T>(at: string, valueOf: (input: T) => string | undefined, pattern: RegExp): Rule<T> {
  return {
    source: `${MODEL}: smithy.api#pattern of ${at}`,
    broken(input) {
      const value = valueOf(input);
      if (value === undefined || pattern.test(value)) return null;
      return constraint(
        value,
        at,
        `Member must satisfy regular expression pattern: ${pattern.source.slice(1, -1)}`,
      );
    },
  };
}

export const SETTINGS_RULES: readonly Rule<Settings>[] = [
  inRange('memorySize', ({MemorySize}) => MemorySize, 128, 10_240),
  inRange('timeout', ({Timeout}) => Timeout, 1, 900),
  inRange('ephemeralStorage.size', ({EphemeralStorage}) => EphemeralStorage?.Size, 512, 10_240),
  matching('role', ({Role}) => Role, /^arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role\/?[a-zA-Z_0-9+=,.@\-_/]+$/),
  {
    source: `${LIMITS}: "New AWS accounts have reduced concurrency and memory quotas"`,
    broken: ({MemorySize = 0}, {memoryMbMax}) =>
      MemorySize > memoryMbMax
        ? invalid(
            `'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to ${memoryMbMax}`,
          )
        : null,
  },
  {
    source: `${MODEL}: smithy.api#pattern of EnvironmentVariableName`,
    broken({Environment}) {
      const odd = Object.keys(Environment?.Variables ?? {}).find(
        (name) => !/^[a-zA-Z]([a-zA-Z0-9_])+$/.test(name),
      );
      return odd === undefined
        ? null
        : constraint(
            '{[hidden]}',
            'environment.variables',
            'Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]',
          );
    },
  },
  {
    source: `${VARIABLES}: reserved environment variables`,
    broken({Environment}) {
      const used = Object.keys(Environment?.Variables ?? {}).filter((name) => RESERVED.includes(name));
      return used.length === 0
        ? null
        : invalid(
            `Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: ${used.join(', ')}`,
          );
    },
  },
  {
    source: `${LIMITS}: 4 KB for all environment variables, in aggregate`,
    broken({Environment}) {
      const text = JSON.stringify(Environment?.Variables ?? {});
      return Buffer.byteLength(text) <= ENVIRONMENT_BYTES_MAX
        ? null
        : invalid(
            'Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit.',
          );
    },
  },
  {
    source: `${MODEL}: smithy.api#length of Description`,
    broken: ({Description = ''}) =>
      Description.length <= 256
        ? null
        : constraint(Description, 'description', 'Member must have length less than or equal to 256'),
  },
  {
    source: `${SNAPSTART}: not with more than 512 MB of ephemeral storage`,
    broken: ({SnapStart, EphemeralStorage}) =>
      SnapStart?.ApplyOn === 'PublishedVersions' && (EphemeralStorage?.Size ?? 512) > 512
        ? invalid('SnapStart is not supported with an ephemeral storage size greater than 512 MB.')
        : null,
  },
];

export const CREATE_RULES: readonly Rule<Lambda.CreateFunctionRequest>[] = [
  matching('functionName', ({FunctionName}) => FunctionName, /^[a-zA-Z0-9-_]{1,64}$/),
  {
    source: `${IMAGES}: an image brings its own runtime; API_CreateFunction, Runtime: "Specifying a runtime results in an error if you're deploying a function using a container image"`,
    broken: ({PackageType, Runtime, Handler, Layers}) =>
      PackageType === 'Image' && (Runtime ?? Handler ?? Layers) !== undefined
        ? invalid(
            "Please don't provide Runtime, Handler or Layers when the intended function PackageType is Image.",
          )
        : null,
  },
  {
    source: 'API_CreateFunction: Code, ImageUri is for images, and everything else for zip archives',
    broken: ({PackageType, Code}) =>
      PackageType === 'Image' && Code?.ImageUri === undefined
        ? invalid('Please provide ImageUri when the intended function PackageType is Image.')
        : null,
  },
  {
    source:
      'API_CreateFunction: Runtime and Handler are required if the deployment package is a .zip file archive',
    broken: ({PackageType, Runtime, Handler, Code}) => {
      if (PackageType === 'Image') return null;
      if (Code?.ImageUri !== undefined) {
        return invalid('Please do not provide ImageUri when creating a function with packageType Zip.');
      }
      return Runtime === undefined || Handler === undefined
        ? invalid(
            'Runtime and Handler are mandatory parameters for functions created with deployment packages.',
          )
        : null;
    },
  },
  {
    source:
      'API_CreateFunction: ImageConfig is "Container image configuration values that override the values in the container image"',
    broken: ({PackageType, ImageConfig}) =>
      PackageType !== 'Image' && ImageConfig !== undefined
        ? invalid('ImageConfig is only supported for functions with PackageType Image.')
        : null,
  },
];

export const ALIAS_RULES: readonly Rule<Lambda.CreateAliasRequest>[] = [
  {
    source: `${MODEL}: smithy.api#pattern of Alias, (?!^[0-9]+$)([a-zA-Z0-9-_]+)`,
    broken: ({Name = ''}) =>
      /^(?!^[0-9]+$)([a-zA-Z0-9-_]{1,128})$/.test(Name)
        ? null
        : constraint(
            Name,
            'name',
            'Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)',
          ),
  },
];

export const URL_RULES: readonly Rule<{Qualifier?: string | undefined}>[] = [
  {
    source: `${MODEL}: smithy.api#pattern of FunctionUrlQualifier, ((?!^\\d+$)^[0-9a-zA-Z-_]+$)`,
    broken: ({Qualifier}) =>
      Qualifier !== undefined && /^\d+$/.test(Qualifier)
        ? constraint(
            Qualifier,
            'qualifier',
            'Member must satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)',
          )
        : null,
  },
];

export const PERMISSION_RULES: readonly Rule<Lambda.AddPermissionRequest>[] = [
  matching('statementId', ({StatementId}) => StatementId, /^([a-zA-Z0-9-_]{1,100})$/),
  matching('action', ({Action}) => Action, /^(lambda:[*]|lambda:[a-zA-Z]+|[*])$/),
  {
    source: `${URLS}: FunctionUrlAuthType is a condition of lambda:InvokeFunctionUrl`,
    broken: ({Action, FunctionUrlAuthType}) =>
      FunctionUrlAuthType !== undefined && Action !== 'lambda:InvokeFunctionUrl'
        ? invalid('FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action')
        : null,
  },
  {
    source: `${URLS}: lambda:InvokedViaFunctionUrl is a condition of lambda:InvokeFunction`,
    broken: ({Action, InvokedViaFunctionUrl}) =>
      InvokedViaFunctionUrl !== undefined && Action !== 'lambda:InvokeFunction'
        ? invalid('InvokedViaFunctionUrl is only supported for lambda:InvokeFunction action')
        : null,
  },
];

/** @throws Refusal by the first rule that is broken */
export function hold<T>(rules: readonly Rule<T>[], input: T, account: Account): void {
  for (const {broken} of rules) {
    const refusal = broken(input, account);
    if (refusal !== null) throw refusal;
  }
}
