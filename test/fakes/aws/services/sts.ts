import type * as Sts from '@aws-sdk/client-sts';
import type {Cloud, Service} from '../cloud.ts';
import {query} from '../wire/query.ts';

export function createSts({account}: Cloud): Service {
  return {
    scope: 'sts',
    prefix: 'sts',
    loadClient: () => import('@aws-sdk/client-sts'),
    protocol: (client) => query(client, '2011-06-15', 'https://sts.amazonaws.com/doc/2011-06-15/'),
    throttled: {type: 'Throttling', status: 400, message: 'Rate exceeded'},
    handlers: {
      GetCallerIdentity: (): Sts.GetCallerIdentityResponse => ({
        Account: account.id,
        Arn: account.callerArn,
        UserId: 'AIDATHAWTESTUSER0001',
      }),
    },
    resourceOf: () => '*',
    inventory: () => [],
  };
}
