import {connectionOf} from './aws-peers.ts';

/** One call of an API of AWS, as an SDK's client is asked for it. */
export interface Call {
  /** `lambda:CreateFunction`. */
  readonly operation: string;
  readonly input: {readonly [member: string]: unknown};
  /** Something to do before it on either side, which no API does: a push. */
  readonly before?: (side: Side) => Promise<unknown>;
}

/** What a call came to: an error has no members. */
export interface Outcome {
  readonly status: number;
  readonly error: string | null;
  /** `Configuration.VpcConfig.SubnetIds[]`. */
  readonly members: readonly string[];
}

/** A server that calls are sent to. */
export interface Side {
  readonly env: {readonly [name: string]: string};
  /** Where its repositories are, as it says itself. */
  readonly registryHost: string;
  /** Waits until the functions that were changed are ready. */
  readonly settle: () => Promise<unknown>;
}

/** Something in which two servers are not the same, for one operation. */
export interface Difference {
  readonly operation: string;
  /** Of the fake, where it differs. */
  readonly fake: string;
  readonly peer: string;
}

/** Stands in inputs where each server shall be given its own revision, or its own registry. */
export const REVISION = '{revision}';
export const REGISTRY = '{registry}';

interface Client {
  send(command: object): Promise<object>;
}

const MODULES: {readonly [service: string]: () => Promise<object>} = {
  lambda: () => import('@aws-sdk/client-lambda'),
  ecr: () => import('@aws-sdk/client-ecr'),
  iam: () => import('@aws-sdk/client-iam'),
  sts: () => import('@aws-sdk/client-sts'),
  logs: () => import('@aws-sdk/client-cloudwatch-logs'),
  events: () => import('@aws-sdk/client-eventbridge'),
  'application-autoscaling': () => import('@aws-sdk/client-application-auto-scaling'),
};

/** Makes what sends calls to one server and says what they came to. */
export function openSender({env, registryHost}: Side): (call: Call) => Promise<Outcome> {
  const clients = new Map<string, Client>();
  const revisions = new Map<string, string>();

  return async ({operation, input}) => {
    const [service = '', name = ''] = operation.split(':');
    const load = MODULES[service];
    if (load === undefined) throw new TypeError(`no client for ${operation}`);
    const module = (await load()) as {[name: string]: new (given: object) => object};
    const made = Object.entries(module).find(([key]) => key.endsWith('Client') && key !== '__Client');
    const Command = module[`${name}Command`];
    if (made === undefined || Command === undefined) throw new TypeError(`no command for ${operation}`);
    const client = clients.get(service) ?? (new made[1](connectionOf(env)) as Client);
    clients.set(service, client);
    const about = name.includes('Alias') ? 'alias' : 'function';
    const own = mapStrings(input, (text) =>
      text.replaceAll(REVISION, revisions.get(about) ?? '').replaceAll(REGISTRY, registryHost),
    );
    try {
      const output = await client.send(new Command(own as object));
      const {$metadata, ...members} = output as {$metadata: {httpStatusCode: number}; RevisionId?: string};
      const revision = revisionOf(members);
      if (service === 'lambda' && revision !== undefined) revisions.set(about, revision);
      return {status: $metadata.httpStatusCode, error: null, members: memberPaths(members)};
    } catch (error) {
      const {name: type, $metadata} = error as Error & {$metadata?: {httpStatusCode?: number}};
      if ($metadata?.httpStatusCode === undefined) throw error;
      return {status: $metadata.httpStatusCode, error: type, members: []};
    }
  };
}

/** Sends the same calls to both, one after the other, and gives all differences, each once. */
export async function compareSides(calls: readonly Call[], fake: Side, peer: Side): Promise<Difference[]> {
  const [toFake, toPeer] = [openSender(fake), openSender(peer)];
  const found = new Map<string, Difference>();
  for (const call of calls) {
    await Promise.all([call.before?.(fake), call.before?.(peer)]);
    const [ours, theirs] = [await toFake(call), await toPeer(call)];
    for (const [left, right] of differences(ours, theirs)) {
      const difference = shared({operation: call.operation, fake: left, peer: right});
      found.set(JSON.stringify(difference), difference);
    }
    if (!/:(?:Get|List|Describe)/.test(call.operation)) await Promise.all([fake.settle(), peer.settle()]);
  }
  return [...found.values()].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** Where several operations answer a function's configuration, and where in their answers it is. */
const CONFIGURATION: {readonly [operation: string]: string} = {
  'lambda:CreateFunction': '',
  'lambda:GetFunction': 'Configuration.',
  'lambda:GetFunctionConfiguration': '',
  'lambda:ListVersionsByFunction': 'Versions[].',
  'lambda:PublishVersion': '',
  'lambda:UpdateFunctionCode': '',
  'lambda:UpdateFunctionConfiguration': '',
};

/** The same difference of all those operations, if it is a member of what they share. */
function shared(difference: Difference): Difference {
  const within = CONFIGURATION[difference.operation];
  const member = difference.fake === 'absent' ? difference.peer : difference.fake;
  const isMember = difference.fake === 'absent' || difference.peer === 'absent';
  if (within === undefined || !isMember || !member.startsWith(within)) return difference;
  const own = (side: string): string => (side === 'absent' ? side : side.slice(within.length));
  return {operation: 'FunctionConfiguration', fake: own(difference.fake), peer: own(difference.peer)};
}

/** The differences of two outcomes: how the call ended, or else each member that only one of them has. */
function differences(ours: Outcome, theirs: Outcome): (readonly [string, string])[] {
  const [left, right] = [endOf(ours), endOf(theirs)];
  if (left !== right) return [[left, right]];
  return [
    ...outermost(ours.members, theirs.members).map((each) => [each, 'absent'] as const),
    ...outermost(theirs.members, ours.members).map((each) => ['absent', each] as const),
  ];
}

const endOf = ({status, error}: Outcome): string => (error === null ? String(status) : `${status} ${error}`);

/** Members of the one that the other has not, without those within others that it has not either. */
function outermost(some: readonly string[], others: readonly string[]): string[] {
  const only = some.filter((path) => !others.includes(path));
  return only.filter(
    (path) => !only.some((outer) => path.startsWith(`${outer}.`) || path.startsWith(`${outer}[`)),
  );
}

/** The names of all members that have a value, as deep as they go. What is in an empty list nobody knows. */
function memberPaths(value: unknown, path = ''): string[] {
  if (value === null || value === undefined) return [];
  const here = path === '' ? [] : [path];
  if (value instanceof Uint8Array || value instanceof Date || typeof value !== 'object') return here;
  const within = Array.isArray(value)
    ? value.flatMap((each) => memberPaths(each, `${path}[]`))
    : Object.entries(value).flatMap(([name, each]) =>
        memberPaths(each, path === '' ? name : `${path}.${name}`),
      );
  return [...new Set([...here, ...within])];
}

const revisionOf = (output: {
  RevisionId?: string;
  Configuration?: {RevisionId?: string};
}): string | undefined => output.RevisionId ?? output.Configuration?.RevisionId;

/** The same value with other texts in it. */
export function mapStrings(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Uint8Array || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map((each) => mapStrings(each, change));
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, mapStrings(each, change)]));
}
