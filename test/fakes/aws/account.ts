import {evaluate, type Decision, type PolicyDocument, type RequestContext} from './policy.ts';
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
  /** The caller as AWS tells it; null: a user. */
  caller: string | null = null;
  /** What the caller's own policies allow; null: everything. */
  policy: PolicyDocument | null = null;
  /** The permissions boundary of the caller; null: none. */
  boundary: PolicyDocument | null = null;
  /** What the organization lets the account do; null: there is none. */
  organization: PolicyDocument | null = null;
  readonly #denied = new Map<string, string | null>();

  constructor(id: string, region: string) {
    this.id = id;
    this.region = region;
  }

  get callerArn(): string {
    return this.caller ?? `arn:aws:iam::${this.id}:user/tester`;
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

  /** @param context null: nobody knows; what is bound to conditions is allowed, and not denied */
  allows(action: string, resource: string, context: RequestContext | null = null): boolean {
    this.asked.push({action, resource});
    return (
      !this.lacks(action, resource) &&
      [this.policy, this.boundary, this.organization].every(
        (policy) => policy === null || evaluate(policy, action, resource, context) === 'allowed',
      )
    );
  }

  /** Whether a permission was taken away. */
  lacks(action: string, resource: string): boolean {
    const only = this.#denied.get(action);
    return only !== undefined && (only === null || resource.includes(only));
  }

  /** What the caller's own policies say. */
  decide(action: string, resource: string, context: RequestContext | null): Decision {
    return this.policy === null ? 'allowed' : evaluate(this.policy, action, resource, context);
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
