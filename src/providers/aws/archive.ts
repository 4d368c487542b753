import type {Archive, ArchiveForm} from '../../core/archive.ts';
import type {Digest} from '../../core/digest.ts';
import type {ImageRuntime} from '../../core/image.ts';
import type {AwsOptions} from './wanted/options.ts';

/**
 * What Lambda takes in the request itself. There it is base64, 69,905,068 characters of the 70,167,211 that all of a
 * request may have; larger archives go through a bucket.
 */
export const REQUEST_BYTES_MAX = 50 * 2 ** 20;
/** What a function may have unpacked. What is compressed has less. */
const UNPACKED_BYTES_MAX = 250 * 2 ** 20;

const FORM: ArchiveForm = {
  bytesMax: REQUEST_BYTES_MAX,
  unpackedBytesMax: UNPACKED_BYTES_MAX,
  largerBy: 'bucket',
  entry: {
    node: {file: 'managed.mjs', name: 'index.mjs'},
    python: {file: 'thaw_lambda.py', name: 'thaw_lambda.py'},
  },
};

/** What Lambda calls in each: the module at the archive's root, and what it exports. */
const HANDLER: {readonly [K in ImageRuntime['kind']]: string} = {
  node: 'index.handler',
  python: 'thaw_lambda.handler',
};

/** Minor versions of Python that Lambda has. */
const PYTHONS = ['3.10', '3.11', '3.12', '3.13', '3.14'];

export function archiveFormOf({artifact, bucket}: AwsOptions): ArchiveForm | null {
  if (artifact !== 'zip') return null;
  return bucket === null ? FORM : {...FORM, bytesMax: UNPACKED_BYTES_MAX, largerBy: null};
}

/** The runtime as Lambda names it; null if it has none for that code. */
export function managedRuntime(runtime: ImageRuntime): string | null {
  if (runtime.kind === 'node') return 'nodejs22.x';
  return PYTHONS.includes(runtime.version) ? `python${runtime.version}` : null;
}

/** What a function from an archive is made of, as Lambda tells and takes it. */
export type ZipCode = {
  readonly digest: Digest;
  readonly bytes: number;
  /** The digest as Lambda writes it. */
  readonly codeSha256: string;
  readonly runtime: string;
  readonly handler: string;
};

/** @returns null for code that Lambda has no runtime for */
export function zipCodeOf({digest, bytes, runtime}: Archive): ZipCode | null {
  const managed = managedRuntime(runtime);
  if (managed === null) return null;
  const codeSha256 = Buffer.from(digest.replace(/^sha256:/, ''), 'hex').toString('base64');
  return {digest, bytes, codeSha256, runtime: managed, handler: HANDLER[runtime.kind]};
}
