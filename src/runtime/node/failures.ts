/** Why an instance cannot start; the message is for the person who packaged it. */
export class StartFailure extends Error {
  readonly code: StartFailureCode;

  constructor(code: StartFailureCode, message: string, cause?: unknown) {
    super(message, {cause});
    this.code = code;
  }
}

export type StartFailureCode = 'HANDLER_INVALID' | 'MODEL_INVALID' | 'RUNTIME_UNAVAILABLE' | 'PORT_IN_USE';

/** A request that is answered with an error. Nothing in it may come from inside the handler. */
export class RequestFailure extends Error {
  readonly status: number;
  readonly code: string;
  /** The tensor that is at fault. */
  readonly tensor: string | null;

  constructor(status: number, code: string, message: string, tensor: string | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.tensor = tensor;
  }
}

/** The body of an answer to a failed request. */
export function failureBody(failure: RequestFailure): string {
  const {code, message, tensor} = failure;
  return JSON.stringify({error: tensor === null ? {code, message} : {code, message, tensor}});
}

/** The message of an unknown thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The class of an unknown thrown value. */
export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'Error';
}

/** What the log shows of an unknown thrown value. */
export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
