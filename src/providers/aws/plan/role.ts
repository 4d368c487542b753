import type {FunctionSpec} from '../../../core/function.ts';
import {BASIC_EXECUTION, managedPolicyArn, roleName, SOURCE_EXECUTION, VPC_EXECUTION} from '../names.ts';
import {made, tagsFor, type Draft} from './draft.ts';

/** The role's ARN, which is known before the role is there. */
export const roleArn = ({name, options, have: {account}}: Draft): string =>
  options.role ?? `arn:${account.partition}:iam::${account.id}:role/${roleName(name, account.region)}`;

/** Policies that the role is given, by what the function has to do. */
function policiesFor({options, have: {account}}: Draft, fn: FunctionSpec): string[] {
  const sources = fn.triggers.flatMap((trigger) => (trigger.kind === 'event' ? [trigger.source] : []));
  const names = [
    BASIC_EXECUTION,
    ...(options.vpc === null ? [] : [VPC_EXECUTION]),
    ...new Set(sources.flatMap((source) => SOURCE_EXECUTION[source] ?? [])),
  ];
  return names.map((name) => managedPolicyArn(account.partition, name));
}

/** Adds the role that thaw makes, with its boundary and what it is allowed. */
export function addRole(draft: Draft, fn: FunctionSpec): void {
  const {options, have, add} = draft;
  if (options.role !== null) return;
  const {account, role} = have;
  const name = roleName(draft.name, account.region);
  const boundary = options.permissionsBoundary;
  if (role === null) {
    const args = {name, function: draft.name, permissionsBoundary: boundary, tags: tagsFor(draft)};
    add('role', 'iam:CreateRole', args, made('role', name), 'a function runs as a role');
  } else if (role.boundary !== boundary) {
    const changes = [{path: 'options.permissionsBoundary', from: role.boundary, to: boundary}];
    if (boundary === null) {
      add('boundary', 'iam:DeleteRolePermissionsBoundary', {name}, changes, 'the role is bounded no more');
    } else {
      const args = {name, permissionsBoundary: boundary};
      add('boundary', 'iam:PutRolePermissionsBoundary', args, changes, 'the role is bounded');
    }
  }
  const basic = managedPolicyArn(account.partition, BASIC_EXECUTION);
  for (const policyArn of policiesFor(draft, fn)) {
    if (role?.policies.includes(policyArn)) continue;
    const id = `role-${policyArn.slice(policyArn.lastIndexOf('/') + 1)}`;
    // What a VPC or a trigger needs belongs to the change that brings it.
    const changes = policyArn === basic ? made('role.policies', policyArn) : [];
    const why = policyArn === basic ? 'it writes its log' : 'the function needs it';
    add(id, 'iam:AttachRolePolicy', {name, policyArn}, changes, why);
  }
}

/** Takes away what the role was given for something that the function does no more. */
export function addUnneededPolicies(draft: Draft, fn: FunctionSpec): void {
  const {name, options, have, add} = draft;
  if (options.role !== null || have.role === null) return;
  const wanted = policiesFor(draft, fn);
  const given = [VPC_EXECUTION, ...Object.values(SOURCE_EXECUTION)].map((policy) =>
    managedPolicyArn(have.account.partition, policy),
  );
  for (const policyArn of have.role.policies) {
    if (!given.includes(policyArn) || wanted.includes(policyArn)) continue;
    const args = {name: roleName(name, have.account.region), policyArn};
    const id = `detach-${policyArn.slice(policyArn.lastIndexOf('/') + 1)}`;
    add(id, 'iam:DetachRolePolicy', args, [], 'the function needs it no more');
  }
}
