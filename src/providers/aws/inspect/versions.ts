import type {FunctionConfiguration, Lambda} from '@aws-sdk/client-lambda';
import type {Digest, FingerprintFn} from '../../../core/digest.ts';
import type {Context} from '../../../core/driver.ts';
import {ThawError} from '../../../core/errors.ts';
import {look} from '../calls/errors.ts';
import {readPages} from '../calls/pages.ts';
import {IMAGE_VARIABLE, imageIn, NONCE_VARIABLE} from '../names.ts';
import {settingsOf, type SecretsNow} from '../wanted/settings.ts';
import type {VersionFound} from './have.ts';

/** What was published of a function, the oldest first, each as it was then. */
export async function readVersions(
  lambda: Lambda,
  name: string,
  context: Context,
): Promise<FunctionConfiguration[]> {
  const asked = {action: 'lambda:ListVersionsByFunction', resource: name};
  const all = await readPages(
    (Marker) =>
      look(asked, context, () =>
        lambda.listVersionsByFunction({FunctionName: name, Marker}, {abortSignal: context.signal}),
      ),
    ({Versions}) => Versions,
    ({NextMarker}) => NextMarker,
  );
  return all
    .filter(({Version}) => Version !== undefined && Version !== '$LATEST')
    .map((configuration) => readableConfiguration(configuration, name))
    .sort((a, b) => Number(a.Version) - Number(b.Version));
}

/** @throws ThawError PERMISSION_DENIED if the environment is encrypted with a key that the caller may not use */
export function readableConfiguration(
  configuration: FunctionConfiguration,
  name: string,
): FunctionConfiguration {
  const {Environment, KMSKeyArn} = configuration;
  if (Environment?.Error === undefined) return configuration;
  const resource = KMSKeyArn ?? name;
  const message = `not allowed: kms:Decrypt on ${resource}, so that the environment of ${name} cannot be compared`;
  throw new ThawError('PERMISSION_DENIED', message, {provider: 'aws', action: 'kms:Decrypt', resource});
}

/** A published version in the terms of plans. */
export function versionOf(
  configuration: FunctionConfiguration,
  latest: FunctionConfiguration,
  fingerprint: FingerprintFn,
  secrets: SecretsNow,
): VersionFound {
  const {Version = '', LastModified = '', State = 'Active', Environment, Description} = configuration;
  const {[IMAGE_VARIABLE]: declared, [NONCE_VARIABLE]: nonce = null} = Environment?.Variables ?? {};
  // A version gets the function's own description where it is given none.
  const isDescribed = (Description ?? '') !== '' && Description !== latest.Description;
  const image = imageOfVersion(configuration);
  return {
    version: Version,
    at: isoOf(LastModified),
    image,
    settings: settingsOf(configuration, image, fingerprint, secrets),
    codeBytes: configuration.CodeSize ?? 0,
    state: State,
    ours: imageIn(Description) !== null,
    byThaw: declared !== undefined && !isDescribed,
    nonce,
  };
}

/** Versions are listed without their images: thaw's own variable says it, else the digest that Lambda keeps. */
export function imageOfVersion({
  Environment,
  CodeSha256,
  PackageType,
  Description,
}: FunctionConfiguration): Digest | null {
  const declared = imageIn(Description) ?? Environment?.Variables?.[IMAGE_VARIABLE];
  if (declared !== undefined && /^sha256:[\da-f]{64}$/.test(declared)) return declared as Digest;
  return PackageType === 'Image' && /^[\da-f]{64}$/.test(CodeSha256 ?? '') ? `sha256:${CodeSha256}` : null;
}

function isoOf(lambdaTime: string): string {
  const ms = Date.parse(lambdaTime);
  return Number.isNaN(ms) ? lambdaTime : new Date(ms).toISOString();
}
