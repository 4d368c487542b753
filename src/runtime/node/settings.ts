import {StartFailure} from './failures.ts';

/** What the platform says through the environment and the arguments. */
export interface Settings {
  /** 0: any that is free. */
  readonly port: number;
  /** The address to listen on; null leaves it to where the server runs. */
  readonly host: string | null;
  /** Digest of the image, for evidence. */
  readonly image: string | null;
  /** Requests in flight at a time. */
  readonly concurrency: number;
  readonly requestBytesMax: number;
  /** End when stdin does. */
  readonly lifeline: boolean;
  /** Where Lambda's Runtime API is; null elsewhere. */
  readonly runtimeApi: string | null;
  /** Lambda makes a snapshot of this process once it is ready. */
  readonly snapshot: boolean;
  /** The port on which the host of Azure Functions looks for its custom handler; null elsewhere. */
  readonly customHandlerPort: number | null;
}

const REQUEST_BYTES_MAX = 32 * 2 ** 20;

/** @throws StartFailure RUNTIME_UNAVAILABLE for a number that is none */
export function readSettings(env: NodeJS.ProcessEnv, args: readonly string[]): Settings {
  return {
    port: wholeNumber(env, 'PORT', 8080, 0),
    host: env['THAW_HOST'] || null,
    image: env['THAW_IMAGE'] || null,
    concurrency: wholeNumber(env, 'THAW_CONCURRENCY', 1, 1),
    requestBytesMax: wholeNumber(env, 'THAW_REQUEST_BYTES_MAX', REQUEST_BYTES_MAX, 1),
    lifeline: args.includes('--lifeline'),
    runtimeApi: env['AWS_LAMBDA_RUNTIME_API'] || null,
    snapshot: env['AWS_LAMBDA_INITIALIZATION_TYPE'] === 'snap-start',
    customHandlerPort: env['FUNCTIONS_CUSTOMHANDLER_PORT']
      ? wholeNumber(env, 'FUNCTIONS_CUSTOMHANDLER_PORT', 0, 0)
      : null,
  };
}

function wholeNumber(env: NodeJS.ProcessEnv, name: string, otherwise: number, min: number): number {
  const text = env[name];
  if (text === undefined || text === '') return otherwise;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw new StartFailure(
    'RUNTIME_UNAVAILABLE',
    `${name} is ${text}, which is no whole number from ${min} on`,
  );
}
