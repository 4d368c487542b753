import {Refusal} from './refusal.ts';

/** Who the test keys belong to, what they may do, and what the account is allowed. */
export class Account {
  readonly id: string;
  readonly region: string;
  readonly accessKeyId = 'AKIATHAWTESTKEY00001';
  readonly secretAccessKey = 'thaw-test-secret/access+key/nobody-knows';
  /** Set: requests must carry it. */
  sessionToken: string | null = null;
  /** Set: the keys have run out. */
  expired = false;
  /** Executions at once, in all functions: 1000, and 10 in many a new account. */
  concurrency = 1000;
  /** In many a new account it is 3008. */
  memoryMbMax = 10_240;
  /** What an image's layers may unpack to. */
  imageBytesMax = 10 * 2 ** 30;
  /** What the caller has had to be allowed, in turn. */
  readonly asked: {readonly action: string; readonly resource: string}[] = [];
  readonly #denied = new Map<string, string | null>();

  constructor(id: string, region: string) {
    this.id = id;
    this.region = region;
  }

  get callerArn(): string {
    return `arn:aws:iam::${this.id}:user/tester`;
  }

  arn(service: string, resource: string): string {
    return `arn:aws:${service}:${this.region}:${this.id}:${resource}`;
  }

  /**
   * Takes away a permission.
   *
   * @param resource only for resources whose name contains this
   */
  deny(action: string, resource: string | null = null): void {
    this.#denied.set(action, resource);
  }

  /** Gives back a permission, or all. */
  allow(action?: string): void {
    if (action === undefined) this.#denied.clear();
    else this.#denied.delete(action);
  }

  allows(action: string, resource: string): boolean {
    this.asked.push({action, resource});
    const only = this.#denied.get(action);
    return only === undefined || (only !== null && !resource.includes(only));
  }

  /** @throws Refusal AccessDeniedException, as services word it when no policy of the caller allows an action */
  demand(action: string, resource: string): void {
    if (this.allows(action, resource)) return;
    throw new Refusal(
      'AccessDeniedException',
      `User: ${this.callerArn} is not authorized to perform: ${action} on resource: ${resource} because no identity-based policy allows the ${action} action`,
    );
  }
}
