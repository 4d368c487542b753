import {ThawError} from '../core/errors.ts';
import type {SignRequest} from '../core/ports.ts';

/** Every way to sign requests, by its name. Each is loaded when it is named. */
const SIGNERS: {
  readonly [scheme: string]: {readonly form: string; open(scope: string): Promise<SignRequest | null>};
} = {
  sigv4: {
    form: 'sigv4:REGION/SERVICE',
    async open(scope) {
      const [, region, service] = /^([a-z\d-]+)\/([a-z\d-]+)$/.exec(scope) ?? [];
      if (region === undefined || service === undefined) return null;
      const [{createSigV4}, {createCredentials}] = await Promise.all([
        import('./aws/calls/sigv4.ts'),
        import('./aws/calls/credentials.ts'),
      ]);
      return createSigV4({region, service, credentials: createCredentials()});
    },
  },
};

/**
 * Opens what signs requests, as the user named it: `sigv4:eu-central-1/lambda`. Credentials are looked for when it
 * signs for the first time.
 *
 * @throws ThawError USAGE
 */
export async function openSigner(text: string): Promise<SignRequest> {
  const colon = text.indexOf(':');
  const scheme = text.slice(0, Math.max(0, colon));
  const signer = Object.hasOwn(SIGNERS, scheme) ? SIGNERS[scheme] : undefined;
  const sign = (await signer?.open(text.slice(colon + 1))) ?? null;
  if (sign === null) {
    const known = Object.values(SIGNERS).map(({form}) => form);
    throw new ThawError(
      'USAGE',
      `${JSON.stringify(text)} names no way to sign; there is ${known.join(', ')}`,
      {
        sign: text,
        known,
      },
    );
  }
  return sign;
}
