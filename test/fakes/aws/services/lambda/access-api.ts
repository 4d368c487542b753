import type * as Lambda from '@aws-sdk/client-lambda';
import {randomUUID} from 'node:crypto';
import {pageOf, type Cloud, type Handlers} from '../../cloud.ts';
import {Refusal} from '../../refusal.ts';
import {functionArn, parseTarget, type Target} from './names.ts';
import {hold, PERMISSION_RULES, URL_RULES} from './rules.ts';
import {staleRevision, type FunctionRecord, type Functions, type Statement} from './state.ts';

/** Who may invoke: policies and function URLs. */
export function accessApi(functions: Functions, {account, clock, pageSize, origin}: Cloud): Handlers {
  /** What a permission or URL hangs on: the function itself, or one of its aliases or versions. */
  const holderOf = (target: Target): {readonly fn: FunctionRecord; readonly key: string} => {
    const fn = functions.find(target);
    const key = target.qualifier ?? '$LATEST';
    functions.version(fn, target.qualifier);
    return {fn, key};
  };
  const noPolicy = (): Refusal =>
    new Refusal('ResourceNotFoundException', 'The resource you requested does not exist.');

  const renderUrl = (fn: FunctionRecord, key: string): Lambda.FunctionUrlConfig => {
    const url = fn.urls.get(key);
    if (url === undefined) throw noPolicy();
    const time = (ms: number): string => new Date(ms).toISOString();
    return {
      FunctionUrl: `${origin()}/fn/${fn.name}/${encodeURIComponent(key)}/`,
      FunctionArn: functionArn(account, fn.name, key === '$LATEST' ? null : key),
      AuthType: url.authType,
      Cors: url.cors,
      CreationTime: time(url.createdMs),
      LastModifiedTime: time(url.modifiedMs),
      InvokeMode: url.invokeMode,
    };
  };

  return {
    AddPermission(input: Lambda.AddPermissionRequest): Lambda.AddPermissionResponse {
      hold(PERMISSION_RULES, input, account);
      const target = parseTarget(input.FunctionName, input.Qualifier);
      const {fn, key} = holderOf(target);
      const policy = fn.policies.get(key) ?? {statements: [], revision: randomUUID()};
      if (input.RevisionId !== undefined && input.RevisionId !== policy.revision) throw staleRevision();
      if (policy.statements.some(({Sid}) => Sid === input.StatementId)) {
        throw new Refusal(
          'ResourceConflictException',
          `The statement id (${input.StatementId}) provided already exists. Please provide a new statement id, or remove the existing statement.`,
        );
      }
      const statement = statementOf(input, functionArn(account, fn.name, target.qualifier));
      policy.statements.push(statement);
      policy.revision = randomUUID();
      fn.policies.set(key, policy);
      return {Statement: JSON.stringify(statement)};
    },
    RemovePermission(input: Lambda.RemovePermissionRequest): void {
      const {fn, key} = holderOf(parseTarget(input.FunctionName, input.Qualifier));
      const policy = fn.policies.get(key);
      const at = policy?.statements.findIndex(({Sid}) => Sid === input.StatementId) ?? -1;
      if (policy === undefined || at < 0) {
        throw new Refusal(
          'ResourceNotFoundException',
          `Statement ${input.StatementId} is not found in resource policy.`,
        );
      }
      if (input.RevisionId !== undefined && input.RevisionId !== policy.revision) throw staleRevision();
      policy.statements.splice(at, 1);
      policy.revision = randomUUID();
      if (policy.statements.length === 0) fn.policies.delete(key);
    },
    GetPolicy(input: Lambda.GetPolicyRequest): Lambda.GetPolicyResponse {
      const {fn, key} = holderOf(parseTarget(input.FunctionName, input.Qualifier));
      const policy = fn.policies.get(key);
      if (policy === undefined) throw noPolicy();
      const document = {Version: '2012-10-17', Id: 'default', Statement: policy.statements};
      return {Policy: JSON.stringify(document), RevisionId: policy.revision};
    },

    CreateFunctionUrlConfig(
      input: Lambda.CreateFunctionUrlConfigRequest,
    ): Lambda.CreateFunctionUrlConfigResponse {
      hold(URL_RULES, input, account);
      const {fn, key} = holderOf(parseTarget(input.FunctionName, input.Qualifier));
      if (fn.urls.has(key)) {
        throw new Refusal(
          'ResourceConflictException',
          `Failed to create function url config for [functionArn = ${functionArn(account, fn.name, key)}]. Error message:  FunctionUrlConfig exists for this Lambda function`,
        );
      }
      const now = clock.now();
      fn.urls.set(key, {
        authType: input.AuthType ?? 'AWS_IAM',
        invokeMode: input.InvokeMode ?? 'BUFFERED',
        cors: input.Cors,
        createdMs: now,
        modifiedMs: now,
      });
      const {LastModifiedTime: modified, ...made} = renderUrl(fn, key);
      void modified;
      return made;
    },
    GetFunctionUrlConfig(input: Lambda.GetFunctionUrlConfigRequest): Lambda.GetFunctionUrlConfigResponse {
      hold(URL_RULES, input, account);
      const {fn, key} = holderOf(parseTarget(input.FunctionName, input.Qualifier));
      return renderUrl(fn, key);
    },
    UpdateFunctionUrlConfig(
      input: Lambda.UpdateFunctionUrlConfigRequest,
    ): Lambda.UpdateFunctionUrlConfigResponse {
      hold(URL_RULES, input, account);
      const {fn, key} = holderOf(parseTarget(input.FunctionName, input.Qualifier));
      renderUrl(fn, key);
      const url = fn.urls.get(key);
      if (url !== undefined) {
        url.authType = input.AuthType ?? url.authType;
        url.invokeMode = input.InvokeMode ?? url.invokeMode;
        url.cors = input.Cors ?? url.cors;
        url.modifiedMs = clock.now();
      }
      return renderUrl(fn, key);
    },
    DeleteFunctionUrlConfig(input: Lambda.DeleteFunctionUrlConfigRequest): void {
      hold(URL_RULES, input, account);
      const {fn, key} = holderOf(parseTarget(input.FunctionName, input.Qualifier));
      if (!fn.urls.delete(key)) throw noPolicy();
    },
    ListFunctionUrlConfigs(
      input: Lambda.ListFunctionUrlConfigsRequest,
    ): Lambda.ListFunctionUrlConfigsResponse {
      const fn = functions.find(parseTarget(input.FunctionName));
      const {page, next} = pageOf([...fn.urls.keys()], input.Marker, input.MaxItems, pageSize);
      return {FunctionUrlConfigs: page.map((key) => renderUrl(fn, key)), NextMarker: next};
    },
  };
}

function statementOf(input: Lambda.AddPermissionRequest, resource: string): Statement {
  const {Principal = '', SourceArn, SourceAccount, FunctionUrlAuthType, InvokedViaFunctionUrl} = input;
  const equal: {[key: string]: string} = {
    ...(SourceAccount !== undefined && {'AWS:SourceAccount': SourceAccount}),
    ...(FunctionUrlAuthType !== undefined && {'lambda:FunctionUrlAuthType': FunctionUrlAuthType}),
    ...(input.PrincipalOrgID !== undefined && {'aws:PrincipalOrgID': input.PrincipalOrgID}),
  };
  const condition = {
    ...(Object.keys(equal).length > 0 && {StringEquals: equal}),
    ...(SourceArn !== undefined && {ArnLike: {'AWS:SourceArn': SourceArn}}),
    ...(InvokedViaFunctionUrl !== undefined && {
      Bool: {'lambda:InvokedViaFunctionUrl': String(InvokedViaFunctionUrl)},
    }),
  };
  return {
    Sid: input.StatementId ?? '',
    Effect: 'Allow',
    Principal:
      Principal === '*'
        ? '*'
        : Principal.endsWith('.amazonaws.com')
          ? {Service: Principal}
          : {AWS: Principal},
    Action: input.Action ?? '',
    Resource: resource,
    ...(Object.keys(condition).length > 0 && {Condition: condition}),
  };
}

/**
 * Whether anybody may come over a function's URL: since 1 November 2026 both permissions have to be there
 * (docs.aws.amazon.com/lambda/latest/dg/urls-auth.html).
 */
export function isPublic(fn: FunctionRecord, key: string): boolean {
  const statements = (fn.policies.get(key)?.statements ?? []).filter(({Principal}) => Principal === '*');
  const conditionsHold = ({Condition = {}}: Statement): boolean =>
    Object.values(Condition)
      .flatMap((tests) => Object.entries(tests))
      .every(
        ([name, value]) =>
          (name === 'lambda:FunctionUrlAuthType' && value === 'NONE') ||
          (name === 'lambda:InvokedViaFunctionUrl' && value === 'true'),
      );
  const allows = (action: string): boolean =>
    statements.some(
      (statement) => [action, 'lambda:*', '*'].includes(statement.Action) && conditionsHold(statement),
    );
  return allows('lambda:InvokeFunctionUrl') && allows('lambda:InvokeFunction');
}
