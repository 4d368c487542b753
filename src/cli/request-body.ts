import {readFile} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import {messageOf, systemCode, ThawError} from '../core/errors.ts';

/** Where a project's sample request lies, as `thaw init` writes it. */
const SAMPLE_REQUEST = join('samples', 'request.json');

/** A request's body, and where it came from: a file, `-` for standard input, or the command line. */
export interface RequestBody {
  readonly bytes: Uint8Array;
  readonly source: string;
}

/**
 * The body of a request: JSON as given, `@file`, `@-` for standard input, or the project's sample when nothing is
 * given.
 *
 * @throws ThawError INPUT_INVALID
 */
export async function readRequestBody(data: string | undefined, projectDir: string): Promise<RequestBody> {
  const source = data ?? `@${join(projectDir, SAMPLE_REQUEST)}`;
  const bytes = await readSource(source);
  try {
    JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    const what = source.startsWith('@') ? source.slice(1) : 'the request';
    throw new ThawError(
      'INPUT_INVALID',
      `${what} is not JSON: ${messageOf(error)}`,
      {source},
      {cause: error},
    );
  }
  return {bytes, source: source.startsWith('@') ? source.slice(1) : 'the command line'};
}

async function readSource(source: string): Promise<Buffer> {
  if (!source.startsWith('@')) return Buffer.from(source);
  if (source === '@-') return readStandardInput();
  const file = resolve(source.slice(1));
  try {
    return await readFile(file);
  } catch (error) {
    const why = systemCode(error) === 'ENOENT' ? 'there is no such file' : messageOf(error);
    throw new ThawError(
      'INPUT_INVALID',
      `the request cannot be read from ${file}: ${why}`,
      {source: file},
      {cause: error},
    );
  }
}

async function readStandardInput(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
