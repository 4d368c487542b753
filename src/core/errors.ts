import type {JsonObject} from './json.ts';

/**
 * Every way thaw can refuse, with the exit code it ends in:
 * 2 usage, 3 config or model, 4 credentials or permission, 5 the provider or the network, 6 a budget was
 * exceeded, 130 interrupted. Code 1 is kept for bugs in thaw, which are never a ThawError.
 */
export const EXIT_CODES = {
  USAGE: 2,
  ANSWER_MISSING: 2,
  FILE_EXISTS: 2,
  PROVIDER_UNKNOWN: 2,
  TEMPLATE_UNKNOWN: 2,
  INPUT_INVALID: 2,
  CONFIG_NOT_FOUND: 3,
  CONFIG_INVALID: 3,
  MODEL_NOT_FOUND: 3,
  MODEL_INVALID: 3,
  MODEL_UNSUPPORTED: 3,
  CALIBRATION_INVALID: 3,
  CONVERSION_REFUSED: 3,
  HANDLER_INVALID: 3,
  SECRET_MISSING: 3,
  IMAGE_MISSING: 3,
  IMAGE_STALE: 3,
  IMAGE_INVALID: 3,
  IMAGE_TOO_LARGE: 3,
  PLATFORM_UNSUPPORTED: 3,
  RUNTIME_UNAVAILABLE: 5,
  PYTHON_UNAVAILABLE: 5,
  PACKAGES_UNAVAILABLE: 5,
  FETCH_FAILED: 5,
  CREDENTIALS_MISSING: 4,
  PERMISSION_DENIED: 4,
  DISK_FULL: 5,
  DEPLOY_LOCKED: 5,
  CHECK_FAILED: 5,
  NOT_DEPLOYED: 5,
  PORT_IN_USE: 5,
  ENGINE_UNAVAILABLE: 5,
  ENGINE_REFUSED: 5,
  PROVIDER_REFUSED: 5,
  PROVIDER_CONFLICT: 5,
  PROVIDER_UNREACHABLE: 5,
  CONTENT_MISMATCH: 5,
  WAIT_TIMED_OUT: 5,
  INVOKE_FAILED: 5,
  INSTANCE_FAILED: 5,
  INTERRUPTED: 130,
} as const;

export type ErrorCode = keyof typeof EXIT_CODES;

/**
 * The one error that thaw throws on purpose. The message says where, what, and the user's own values; the facts
 * carry those values for the advice that `cli/hints.ts` gives. Any other error that reaches the top is a bug.
 */
export class ThawError extends Error {
  readonly code: ErrorCode;
  readonly facts: JsonObject;

  constructor(code: ErrorCode, message: string, facts: JsonObject = {}, options?: {cause?: unknown}) {
    super(message, options);
    this.name = 'ThawError';
    this.code = code;
    this.facts = facts;
  }
}

/** The system's own error code (`ENOENT`), if an unknown thrown value carries one. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as {code?: unknown} | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** The message of an unknown thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Throws INTERRUPTED if the signal has fired. */
export function throwIfInterrupted(signal: AbortSignal): void {
  if (signal.aborted) throw new ThawError('INTERRUPTED', 'interrupted', {}, {cause: signal.reason});
}
