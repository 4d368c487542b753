import {defaultProvider} from '@aws-sdk/credential-provider-node';
import {messageOf, ThawError} from '../../../core/errors.ts';

/** Who signs. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/**
 * Makes what finds credentials where the AWS tools find them: environment, profiles, sign-on, roles, containers,
 * instance metadata. They are kept, and found anew shortly before they expire.
 */
export function createCredentials(): () => Promise<Credentials> {
  // The SDK says on standard error which Node it will need some day.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const find = defaultProvider();
  return async () => {
    try {
      return await find();
    } catch (error) {
      throw new ThawError(
        'CREDENTIALS_MISSING',
        `no AWS credentials to sign with: ${messageOf(error)}`,
        {provider: 'aws'},
        {cause: error},
      );
    }
  };
}
