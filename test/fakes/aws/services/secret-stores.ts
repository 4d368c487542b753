import type * as Sm from '@aws-sdk/client-secrets-manager';
import type * as Ssm from '@aws-sdk/client-ssm';
import type {Cloud, Service} from '../cloud.ts';
import {Refusal} from '../refusal.ts';
import {jsonRpc} from '../wire/json-rpc.ts';

/** A store of values that somebody else put there. */
export interface Values {
  plant(name: string, value: string): void;
}

/** Parameter Store of Systems Manager. */
export function createSsm({account}: Cloud): Service & Values {
  const values = new Map<string, string>();
  const arnOf = (name: string): string =>
    account.arn('ssm', `parameter${name.startsWith('/') ? '' : '/'}${name}`);
  const nameIn = (given: string): string => given.replace(/^arn:aws:ssm:[^:]+:\d+:parameter/, '');

  const render = (given: string, decrypted: boolean): Ssm.Parameter | null => {
    const name = nameIn(given);
    const value = values.get(name) ?? values.get(name.replace(/^\//, ''));
    if (value === undefined) return null;
    return {
      Name: name,
      Type: 'SecureString',
      // Encrypted, as it is told without being asked for more.
      Value: decrypted ? value : Buffer.from(`encrypted:${name}`).toString('base64'),
      Version: 1,
      ARN: arnOf(name),
      DataType: 'text',
    };
  };

  return {
    scope: 'ssm',
    prefix: 'ssm',
    loadClient: () => import('@aws-sdk/client-ssm'),
    protocol: (client) => jsonRpc(client, 'AmazonSSM', '1.1'),
    throttled: {type: 'ThrottlingException', status: 400, message: 'Rate exceeded'},
    handlers: {
      GetParameter({Name = '', WithDecryption = false}: Ssm.GetParameterRequest): Ssm.GetParameterResult {
        const Parameter = render(Name, WithDecryption);
        if (Parameter === null) throw new Refusal('ParameterNotFound', '');
        return {Parameter};
      },
      GetParameters({Names = [], WithDecryption = false}: Ssm.GetParametersRequest): Ssm.GetParametersResult {
        return {
          Parameters: Names.flatMap((name) => render(name, WithDecryption) ?? []),
          InvalidParameters: Names.filter((name) => render(name, false) === null),
        };
      },
    },
    resourceOf: (_, {Name, Names}) => {
      const name = typeof Name === 'string' ? Name : Array.isArray(Names) ? String(Names[0]) : '*';
      return arnOf(nameIn(name));
    },
    inventory: () => [],
    plant: (name, value) => void values.set(name, value),
  };
}

export function createSecretsManager({account}: Cloud): Service & Values {
  const values = new Map<string, string>();
  const arnOf = (name: string): string => account.arn('secretsmanager', `secret:${name}-AbCdEf`);
  const nameIn = (given: string): string =>
    given.replace(/^arn:aws:secretsmanager:[^:]+:\d+:secret:/, '').replace(/-AbCdEf$/, '');

  const find = (given: string): {readonly name: string; readonly value: string} => {
    const name = nameIn(given);
    const value = values.get(name);
    if (value !== undefined) return {name, value};
    throw new Refusal('ResourceNotFoundException', "Secrets Manager can't find the specified secret.");
  };

  return {
    scope: 'secretsmanager',
    prefix: 'secretsmanager',
    loadClient: () => import('@aws-sdk/client-secrets-manager'),
    protocol: (client) => jsonRpc(client, 'secretsmanager', '1.1'),
    throttled: {type: 'ThrottlingException', status: 400, message: 'Rate exceeded'},
    handlers: {
      GetSecretValue({SecretId = ''}: Sm.GetSecretValueRequest): Sm.GetSecretValueResponse {
        const {name, value} = find(SecretId);
        return {
          ARN: arnOf(name),
          Name: name,
          SecretString: value,
          VersionId: 'EXAMPLE1',
          VersionStages: ['AWSCURRENT'],
        };
      },
      DescribeSecret({SecretId = ''}: Sm.DescribeSecretRequest): Sm.DescribeSecretResponse {
        const {name} = find(SecretId);
        return {ARN: arnOf(name), Name: name, VersionIdsToStages: {EXAMPLE1: ['AWSCURRENT']}};
      },
    },
    resourceOf: (_, {SecretId}) => (typeof SecretId === 'string' ? arnOf(nameIn(SecretId)) : '*'),
    inventory: () => [],
    plant: (name, value) => void values.set(name, value),
  };
}
