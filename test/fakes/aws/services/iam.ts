import type * as Iam from '@aws-sdk/client-iam';
import {addTags, listTags, pageOf, type Cloud, type Handlers, type Service} from '../cloud.ts';
import {evaluate, keysOf, type PolicyDocument, type RequestContext} from '../policy.ts';
import {Refusal} from '../refusal.ts';
import {query} from '../wire/query.ts';

interface Role {
  readonly name: string;
  readonly arn: string;
  readonly id: string;
  readonly path: string;
  readonly createdMs: number;
  trust: string;
  description: string | undefined;
  boundary: string | undefined;
  maxSessionDuration: number;
  readonly tags: Map<string, string>;
  /** When each was attached, by its ARN. */
  readonly attached: Map<string, number>;
  readonly inline: Map<string, {readonly document: string; readonly atMs: number}>;
}

/** What AWS's own policies allow that functions' roles need. */
const MANAGED: {readonly [name: string]: readonly string[]} = {
  AWSLambdaBasicExecutionRole: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'],
  AWSLambdaVPCAccessExecutionRole: [
    'ec2:CreateNetworkInterface',
    'logs:CreateLogGroup',
    'logs:CreateLogStream',
    'logs:PutLogEvents',
  ],
  AWSLambdaSQSQueueExecutionRole: [
    'sqs:ReceiveMessage',
    'sqs:DeleteMessage',
    'sqs:GetQueueAttributes',
    'logs:PutLogEvents',
  ],
  AWSLambdaKinesisExecutionRole: [
    'kinesis:GetRecords',
    'kinesis:DescribeStream',
    'kinesis:GetShardIterator',
    'logs:PutLogEvents',
  ],
  AWSLambdaDynamoDBExecutionRole: [
    'dynamodb:GetRecords',
    'dynamodb:DescribeStream',
    'dynamodb:GetShardIterator',
    'logs:PutLogEvents',
  ],
};

/** What other services ask IAM. */
export interface Roles {
  /** Whether Lambda can take a role on by now. */
  assumable(arn: string): boolean;
  /** Whether a role may do something by now. */
  allows(arn: string, action: string): boolean;
  /** Makes a role that is not thaw's, old enough to be used. */
  plant(name: string, tags?: {readonly [key: string]: string}, path?: string): string;
}

export function createIam({clock, account, paces, pageSize}: Cloud): Service & Roles {
  const roles = new Map<string, Role>();
  const isOld = (atMs: number): boolean => clock.now() - atMs >= paces.roleMs;
  const arnOf = (path: string, name: string): string => `arn:aws:iam::${account.id}:role${path}${name}`;
  const byArn = (arn: string): Role | undefined => [...roles.values()].find((role) => role.arn === arn);

  const find = (name: string | undefined): Role => {
    const role = roles.get(name ?? '');
    if (role === undefined) {
      throw new Refusal('NoSuchEntityException', `The role with name ${name} cannot be found.`);
    }
    return role;
  };

  const renderRole = (role: Role): Iam.Role => ({
    Path: role.path,
    RoleName: role.name,
    RoleId: role.id,
    Arn: role.arn,
    CreateDate: new Date(role.createdMs),
    AssumeRolePolicyDocument: encodeURIComponent(role.trust),
    Description: role.description,
    MaxSessionDuration: role.maxSessionDuration,
    PermissionsBoundary:
      role.boundary === undefined
        ? undefined
        : {PermissionsBoundaryType: 'PermissionsBoundaryPolicy', PermissionsBoundaryArn: role.boundary},
    Tags: role.tags.size === 0 ? undefined : listTags(role.tags),
  });

  /** As IAM words it for an ARN that is nobody's whose policies it has, such as a session's. */
  const checkPrincipal = (arn: string | undefined): void => {
    if (arn === account.callerArn && arn.includes(':iam::')) return;
    const role = byArn(arn ?? '');
    if (role !== undefined && account.callerArn.includes(`:assumed-role/${role.name}/`)) return;
    if (/:(role|user)\//.test(arn ?? '')) {
      throw new Refusal('NoSuchEntityException', `The entity ${arn} cannot be found.`);
    }
    throw new Refusal(
      'InvalidInputException',
      `Invalid Entity Arn: ${arn} does not clearly define entity type and name.`,
    );
  };

  const simulate = (
    action: string,
    resources: readonly string[],
    context: RequestContext,
  ): Iam.EvaluationResult => {
    const known = new Set(context.keys());
    const missing = [account.policy, account.boundary].flatMap((policy) =>
      policy === null ? [] : keysOf(policy),
    );
    const unknown = [...new Set(missing)].filter((key) => !known.has(key.toLowerCase()));
    const each = resources.map((resource): Iam.ResourceSpecificResult => {
      const lacks = account.lacks(action, resource);
      const own = lacks ? 'implicitDeny' : account.decide(action, resource, context);
      const [bounded, organized] = [account.boundary, account.organization].map(
        (policy) => policy === null || evaluate(policy, action, resource, context) === 'allowed',
      ) as [boolean, boolean];
      return {
        EvalResourceName: resource,
        EvalResourceDecision: own === 'allowed' && !(bounded && organized) ? 'implicitDeny' : own,
        MissingContextValues: unknown,
        PermissionsBoundaryDecisionDetail:
          account.boundary === null ? undefined : {AllowedByPermissionsBoundary: bounded},
      };
    });
    const decisions = each.map(({EvalResourceDecision}) => EvalResourceDecision);
    const strictest = (['explicitDeny', 'implicitDeny'] as const).find((decision) =>
      decisions.includes(decision),
    );
    const isAllowedIn = (policy: PolicyDocument, action: string, resource = '*'): boolean =>
      evaluate(policy, action, resource, context) === 'allowed';
    const isNamed = !resources.includes('*');
    return {
      EvalActionName: action,
      EvalResourceName: isNamed ? resources[0] : '*',
      EvalDecision: strictest ?? 'allowed',
      MissingContextValues: isNamed ? [] : unknown,
      PermissionsBoundaryDecisionDetail: each[0]?.PermissionsBoundaryDecisionDetail,
      OrganizationsDecisionDetail:
        account.organization === null
          ? undefined
          : {AllowedByOrganizations: isAllowedIn(account.organization, action, resources[0])},
      ResourceSpecificResults: isNamed ? each : undefined,
    };
  };

  const checkDocument = (text: string | undefined): string => {
    try {
      const {Statement} = JSON.parse(text ?? '') as {Statement?: unknown};
      if (Statement !== undefined) return text ?? '';
    } catch {
      // Said below.
    }
    throw new Refusal('MalformedPolicyDocumentException', 'Syntax errors in policy.');
  };

  const add = (role: Omit<Role, 'id' | 'arn' | 'attached' | 'inline'>): Role => {
    const made = {
      ...role,
      arn: arnOf(role.path, role.name),
      id: `AROA${role.name
        .toUpperCase()
        .replace(/[^A-Z0-9]/g, '')
        .slice(0, 16)}`,
      attached: new Map<string, number>(),
      inline: new Map(),
    };
    roles.set(role.name, made);
    return made;
  };

  const handlers: Handlers = {
    CreateRole(input: Iam.CreateRoleRequest): Iam.CreateRoleResponse {
      const {RoleName: name = '', Path = '/'} = input;
      if (!/^[\w+=,.@-]{1,64}$/.test(name)) {
        throw new Refusal(
          'ValidationError',
          `1 validation error detected: Value '${name}' at 'roleName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]+ and have length less than or equal to 64`,
        );
      }
      if (roles.has(name)) {
        throw new Refusal('EntityAlreadyExistsException', `Role with name ${name} already exists.`);
      }
      const boundary = input.PermissionsBoundary;
      const role = add({
        name,
        path: Path,
        createdMs: clock.now(),
        trust: checkDocument(input.AssumeRolePolicyDocument),
        description: input.Description,
        boundary,
        maxSessionDuration: input.MaxSessionDuration ?? 3600,
        tags: new Map(),
      });
      addTags(role.tags, input.Tags);
      return {Role: renderRole(role)};
    },
    GetRole: ({RoleName}: Iam.GetRoleRequest): Iam.GetRoleResponse => ({Role: renderRole(find(RoleName))}),
    ListRoles({Marker, MaxItems}: Iam.ListRolesRequest): Iam.ListRolesResponse {
      const {page, next} = pageOf([...roles.values()], Marker, MaxItems, pageSize);
      const listed = page.map((role) => ({
        ...renderRole(role),
        Tags: undefined,
        PermissionsBoundary: undefined,
      }));
      return {Roles: listed, IsTruncated: next !== undefined, Marker: next};
    },
    UpdateRole(input: Iam.UpdateRoleRequest): Iam.UpdateRoleResponse {
      const role = find(input.RoleName);
      role.description = input.Description ?? role.description;
      role.maxSessionDuration = input.MaxSessionDuration ?? role.maxSessionDuration;
      return {};
    },
    UpdateAssumeRolePolicy(input: Iam.UpdateAssumeRolePolicyRequest): void {
      find(input.RoleName).trust = checkDocument(input.PolicyDocument);
    },
    PutRolePermissionsBoundary(input: Iam.PutRolePermissionsBoundaryRequest): void {
      find(input.RoleName).boundary = input.PermissionsBoundary;
    },
    DeleteRolePermissionsBoundary(input: Iam.DeleteRolePermissionsBoundaryRequest): void {
      find(input.RoleName).boundary = undefined;
    },
    DeleteRole({RoleName}: Iam.DeleteRoleRequest): void {
      const role = find(RoleName);
      if (role.attached.size > 0) {
        throw new Refusal('DeleteConflictException', 'Cannot delete entity, must detach all policies first.');
      }
      if (role.inline.size > 0) {
        throw new Refusal('DeleteConflictException', 'Cannot delete entity, must delete policies first.');
      }
      roles.delete(role.name);
    },
    AttachRolePolicy({RoleName, PolicyArn = ''}: Iam.AttachRolePolicyRequest): void {
      const role = find(RoleName);
      const name = PolicyArn.split('/').at(-1) ?? '';
      if (PolicyArn.startsWith('arn:aws:iam::aws:policy/') && !(name in MANAGED)) {
        throw new Refusal(
          'NoSuchEntityException',
          `Policy ${PolicyArn} does not exist or is not attachable.`,
        );
      }
      if (!role.attached.has(PolicyArn)) role.attached.set(PolicyArn, clock.now());
    },
    DetachRolePolicy({RoleName, PolicyArn = ''}: Iam.DetachRolePolicyRequest): void {
      if (!find(RoleName).attached.delete(PolicyArn)) {
        throw new Refusal('NoSuchEntityException', `Policy ${PolicyArn} was not found.`);
      }
    },
    ListAttachedRolePolicies(
      input: Iam.ListAttachedRolePoliciesRequest,
    ): Iam.ListAttachedRolePoliciesResponse {
      const {page, next} = pageOf(
        [...find(input.RoleName).attached.keys()],
        input.Marker,
        input.MaxItems,
        pageSize,
      );
      return {
        AttachedPolicies: page.map((arn) => ({PolicyArn: arn, PolicyName: arn.split('/').at(-1) ?? ''})),
        IsTruncated: next !== undefined,
        Marker: next,
      };
    },
    PutRolePolicy({RoleName, PolicyName = '', PolicyDocument}: Iam.PutRolePolicyRequest): void {
      find(RoleName).inline.set(PolicyName, {document: checkDocument(PolicyDocument), atMs: clock.now()});
    },
    GetRolePolicy({RoleName, PolicyName = ''}: Iam.GetRolePolicyRequest): Iam.GetRolePolicyResponse {
      const found = find(RoleName).inline.get(PolicyName);
      if (found === undefined) {
        throw new Refusal(
          'NoSuchEntityException',
          `The role policy with name ${PolicyName} cannot be found.`,
        );
      }
      return {RoleName, PolicyName, PolicyDocument: encodeURIComponent(found.document)};
    },
    DeleteRolePolicy({RoleName, PolicyName = ''}: Iam.DeleteRolePolicyRequest): void {
      if (!find(RoleName).inline.delete(PolicyName)) {
        throw new Refusal(
          'NoSuchEntityException',
          `The role policy with name ${PolicyName} cannot be found.`,
        );
      }
    },
    ListRolePolicies(input: Iam.ListRolePoliciesRequest): Iam.ListRolePoliciesResponse {
      const {page, next} = pageOf(
        [...find(input.RoleName).inline.keys()],
        input.Marker,
        input.MaxItems,
        pageSize,
      );
      return {PolicyNames: page, IsTruncated: next !== undefined, Marker: next};
    },
    TagRole({RoleName, Tags}: Iam.TagRoleRequest): void {
      addTags(find(RoleName).tags, Tags);
    },
    UntagRole({RoleName, TagKeys}: Iam.UntagRoleRequest): void {
      for (const key of TagKeys ?? []) find(RoleName).tags.delete(key);
    },
    ListRoleTags: ({RoleName}: Iam.ListRoleTagsRequest): Iam.ListRoleTagsResponse => ({
      Tags: listTags(find(RoleName).tags),
      IsTruncated: false,
    }),
    // IAM's API reference, EvaluationResult: one result for each action, with the strictest decision of all resources, and
    // the decision for each of them in ResourceSpecificResults. What is missing of the context is said there, if there
    // are resources, whether it would have mattered or not.
    SimulatePrincipalPolicy(input: Iam.SimulatePrincipalPolicyRequest): Iam.SimulatePolicyResponse {
      checkPrincipal(input.PolicySourceArn);
      const context = new Map(
        (input.ContextEntries ?? []).map(
          ({ContextKeyName = '', ContextKeyValues = []}) =>
            [ContextKeyName.toLowerCase(), ContextKeyValues] as const,
        ),
      );
      const {page, next} = pageOf(input.ActionNames ?? [], input.Marker, input.MaxItems, pageSize);
      const resources = input.ResourceArns ?? ['*'];
      return {
        IsTruncated: next !== undefined,
        Marker: next,
        EvaluationResults: page.map((action) => simulate(action, resources, context)),
      };
    },
  };

  return {
    scope: 'iam',
    prefix: 'iam',
    loadClient: () => import('@aws-sdk/client-iam'),
    protocol: (client) => query(client, '2010-05-08', 'https://iam.amazonaws.com/doc/2010-05-08/'),
    throttled: {type: 'Throttling', status: 400, message: 'Rate exceeded'},
    handlers,
    resourceOf: (_, {RoleName}) =>
      typeof RoleName === 'string' ? (roles.get(RoleName)?.arn ?? arnOf('/', RoleName)) : '*',
    inventory: () => [...roles.keys()].map((name) => `role ${name}`),
    assumable(arn) {
      const role = byArn(arn);
      return role !== undefined && isOld(role.createdMs) && role.trust.includes('lambda.amazonaws.com');
    },
    allows(arn, action) {
      const role = byArn(arn);
      if (role === undefined) return false;
      const managed = [...role.attached].some(
        ([policy, atMs]) => isOld(atMs) && MANAGED[policy.split('/').at(-1) ?? '']?.includes(action),
      );
      return (
        managed ||
        [...role.inline.values()].some(({document, atMs}) => isOld(atMs) && names(document, action))
      );
    },
    plant(name, tags = {}, path = '/') {
      const role = add({
        name,
        path,
        createdMs: 0,
        trust: JSON.stringify({
          Version: '2012-10-17',
          Statement: [
            {Effect: 'Allow', Principal: {Service: 'lambda.amazonaws.com'}, Action: 'sts:AssumeRole'},
          ],
        }),
        description: undefined,
        boundary: undefined,
        maxSessionDuration: 3600,
        tags: new Map(Object.entries(tags)),
      });
      return role.arn;
    },
  };
}

/** Whether a policy's statements name an action, itself or by a star at the end. */
function names(document: string, action: string): boolean {
  const {Statement} = JSON.parse(document) as {
    Statement: {Action: string | string[]} | {Action: string | string[]}[];
  };
  return [Statement]
    .flat()
    .some(({Action}) =>
      [Action]
        .flat()
        .some((each) => (each.endsWith('*') ? action.startsWith(each.slice(0, -1)) : each === action)),
    );
}
