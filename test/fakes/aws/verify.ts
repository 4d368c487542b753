import {SignatureV4} from '@smithy/signature-v4';
import {createHash, createHmac, timingSafeEqual} from 'node:crypto';
import type {Account} from './account.ts';
import {Refusal} from './refusal.ts';
import type {WireRequest} from './wire/message.ts';

/** A signature is good for so long, by the service's clock. */
const SKEW_MS = 5 * 60_000;
const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/(\d{8})\/([^/,]+)\/([^/,]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;

/** What a signature says that it is for. */
export interface Scope {
  readonly region: string;
  readonly service: string;
}

/** Reads what a request is signed for; null if it is not signed. */
export function readScope(headers: WireRequest['headers']): Scope | null {
  const [, , , region, service] = AUTHORIZATION.exec(headers['authorization'] ?? '') ?? [];
  return region === undefined || service === undefined ? null : {region, service};
}

/**
 * Checks who signed a request, when, and that it is what was signed.
 *
 * @param nowsMs the clocks that a client may go by
 * @throws Refusal with status 403, by the names that the JSON services have for it
 */
export async function verifySignature(
  {method, path, query, headers, body}: WireRequest,
  account: Account,
  nowsMs: readonly number[],
): Promise<void> {
  const [, keyId, day = '', region = '', service = '', signedHeaders = '', signature = ''] =
    AUTHORIZATION.exec(headers['authorization'] ?? '') ?? [];
  if (keyId === undefined) refuse('MissingAuthenticationTokenException', 'Missing Authentication Token');
  const token = headers['x-amz-security-token'] ?? null;
  if (keyId !== account.accessKeyId || token !== account.sessionToken) {
    refuse('UnrecognizedClientException', 'The security token included in the request is invalid.');
  }
  if (account.expired) {
    refuse('ExpiredTokenException', 'The security token included in the request is expired');
  }
  const signedAt = parseAmzDate(headers['x-amz-date'] ?? '');
  if (signedAt === null || !(headers['x-amz-date'] ?? '').startsWith(day)) {
    refuse(
      'InvalidSignatureException',
      'Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP',
    );
  }
  if (nowsMs.every((nowMs) => Math.abs(nowMs - signedAt.getTime()) > SKEW_MS)) {
    refuse('InvalidSignatureException', `Signature not yet current or expired: ${headers['x-amz-date']}`);
  }
  // Valid for a region in which the account is not enabled: it is as if nobody knew the keys.
  if (region !== account.region) {
    refuse('UnrecognizedClientException', 'The security token included in the request is invalid.');
  }
  const digest = createHash('sha256').update(body).digest('hex');
  const claimed = headers['x-amz-content-sha256'];
  if (claimed !== undefined && claimed !== 'UNSIGNED-PAYLOAD' && claimed !== digest) {
    refuse(
      'InvalidSignatureException',
      'The provided x-amz-content-sha256 header does not match what was computed.',
    );
  }
  const names = signedHeaders.split(';');
  if (!names.includes('host')) refuse('InvalidSignatureException', "'Host' must be a 'SignedHeader'");
  const signer = new SignatureV4({
    region,
    service,
    credentials: {accessKeyId: account.accessKeyId, secretAccessKey: account.secretAccessKey},
    sha256: Sha256,
    applyChecksum: false,
    // S3 alone takes paths as they are.
    uriEscapePath: service !== 's3',
  });
  const expected = await signer.sign(
    {
      method,
      protocol: 'http:',
      hostname: headers['host'] ?? '',
      path,
      query: Object.fromEntries([...new Set(query.keys())].map((name) => [name, query.getAll(name)])),
      headers: Object.fromEntries(names.map((name) => [name, headers[name] ?? ''])),
      body,
    },
    {signingDate: signedAt, signableHeaders: new Set(names)},
  );
  const ours = /Signature=([0-9a-f]{64})$/.exec(expected.headers['authorization'] ?? '')?.[1] ?? '';
  if (ours.length !== signature.length || !timingSafeEqual(Buffer.from(ours), Buffer.from(signature))) {
    refuse(
      'InvalidSignatureException',
      'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
    );
  }
}

function refuse(type: string, message: string): never {
  throw new Refusal(type, message, {status: 403});
}

function parseAmzDate(text: string): Date | null {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  return s === undefined ? null : new Date(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
}

/** SHA-256, or with a key HMAC-SHA-256, in the form that the signer asks for. */
class Sha256 {
  readonly #key: Buffer | null;
  #pieces: Buffer[] = [];

  constructor(key?: string | ArrayBuffer | ArrayBufferView) {
    this.#key = key === undefined ? null : bufferOf(key);
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#pieces.push(bufferOf(data));
  }

  async digest(): Promise<Uint8Array> {
    const hash = this.#key === null ? createHash('sha256') : createHmac('sha256', this.#key);
    return hash.update(Buffer.concat(this.#pieces)).digest();
  }

  reset(): void {
    this.#pieces = [];
  }
}

function bufferOf(data: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof data === 'string') return Buffer.from(data);
  return ArrayBuffer.isView(data)
    ? Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    : Buffer.from(data);
}
