import {SignatureV4} from '@smithy/signature-v4';
import {createHash, createHmac, type Hash as NodeHash, type Hmac} from 'node:crypto';
import type {SignRequest} from '../../../core/ports.ts';
import type {Credentials} from './credentials.ts';

/** What a signature is valid for, and who signs. */
export interface SigV4 {
  readonly region: string;
  /** The name under which the service checks signatures: `lambda`, `execute-api`, `sagemaker`. */
  readonly service: string;
  readonly credentials: () => Promise<Credentials>;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Send and sign the body's digest as a header too. Services other than S3 can do without. */
  readonly checksumHeader?: boolean;
}

/** AWS takes a signature for 5 minutes, by its own clock. */
const VALID_MS = 60_000;

/** What changes on the way, or is set only when the request is sent. */
const UNSIGNED = new Set(['user-agent', 'accept', 'accept-encoding']);

/** Signs requests with AWS Signature Version 4, by the official signer. */
export function createSigV4(options: SigV4): SignRequest {
  const {region, service, credentials, now = Date.now, checksumHeader = true} = options;
  return async ({method, url, headers, body}) => {
    const signer = new SignatureV4({
      region,
      service,
      credentials: await credentials(),
      sha256: Sha256,
      applyChecksum: checksumHeader,
      // S3 alone takes paths as they are.
      uriEscapePath: service !== 's3',
    });
    const {protocol, hostname, host, pathname, search} = new URL(url);
    const toSign = Object.entries(headers).filter(([name]) => !UNSIGNED.has(name.toLowerCase()));
    const signed = await signer.sign(
      {
        method,
        protocol,
        hostname,
        path: pathname,
        query: parseQuery(search),
        headers: {host, ...Object.fromEntries(toSign)},
        ...(body === null ? {} : {body}),
      },
      {signingDate: new Date(now())},
    );
    const known = new Set(['host', ...toSign.map(([name]) => name)]);
    const added = Object.entries(signed.headers).filter(([name]) => !known.has(name));
    return {headers: Object.fromEntries(added), validMs: VALID_MS};
  };
}

/** Names and values as the service reads them: a plus is a plus. */
function parseQuery(search: string): {[name: string]: string[]} {
  const query: {[name: string]: string[]} = {};
  for (const part of search.slice(1).split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decode(equals < 0 ? part : part.slice(0, equals));
    (query[name] ??= []).push(equals < 0 ? '' : decode(part.slice(equals + 1)));
  }
  return query;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** SHA-256, or with a key HMAC-SHA-256, in the form that the signer asks for. */
class Sha256 {
  readonly #key: Uint8Array | null;
  #state: NodeHash | Hmac;

  constructor(key?: string | ArrayBuffer | ArrayBufferView) {
    this.#key = key === undefined ? null : bytesOf(key);
    this.#state = this.#begin();
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#state.update(bytesOf(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#state.digest();
  }

  reset(): void {
    this.#state = this.#begin();
  }

  #begin(): NodeHash | Hmac {
    return this.#key === null ? createHash('sha256') : createHmac('sha256', this.#key);
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}
