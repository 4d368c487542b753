import type {EnumOf} from './schema.ts';

/**
 * Members that take some values only, by service: the schemas say no more than that they are strings, and the clients
 * export the values under a name of their own.
 */
const ENUMS: {readonly [scope: string]: {readonly [member: string]: string}} = {
  lambda: {
    Architectures: 'Architecture',
    PackageType: 'PackageType',
    Runtime: 'Runtime',
    AuthType: 'FunctionUrlAuthType',
    FunctionUrlAuthType: 'FunctionUrlAuthType',
    InvokeMode: 'InvokeMode',
    InvocationType: 'InvocationType',
    LogType: 'LogType',
    LogFormat: 'LogFormat',
    ApplicationLogLevel: 'ApplicationLogLevel',
    SystemLogLevel: 'SystemLogLevel',
    StartingPosition: 'EventSourcePosition',
    FunctionResponseTypes: 'FunctionResponseType',
    ApplyOn: 'SnapStartApplyOn',
    Mode: 'TracingMode',
  },
  ecr: {imageTagMutability: 'ImageTagMutability', encryptionType: 'EncryptionType'},
  'application-autoscaling': {
    ServiceNamespace: 'ServiceNamespace',
    ScalableDimension: 'ScalableDimension',
    PolicyType: 'PolicyType',
  },
  events: {State: 'RuleState'},
};

/** The values that a service's members take, from its client's exports. */
export function enumsOf(scope: string, client: object): EnumOf {
  const names = ENUMS[scope] ?? {};
  return (member) => {
    const values = (client as {[name: string]: unknown})[names[member] ?? ''];
    return typeof values === 'object' && values !== null
      ? Object.values(values as {[key: string]: string})
      : undefined;
  };
}
