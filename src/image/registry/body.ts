import {throwIfInterrupted} from '../../core/errors.ts';
import {mismatch} from './refusal.ts';
import {unreachable, type RegistryAnswer} from './transport.ts';

/**
 * Reads a small body whole.
 *
 * @throws ThawError CONTENT_MISMATCH if it is longer than `bytesMax`, PROVIDER_UNREACHABLE if it is cut, INTERRUPTED
 */
export async function readBody(
  answer: RegistryAnswer,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const piece of answer.body as AsyncIterable<Uint8Array>) {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes > bytesMax) break;
    }
  } catch (error) {
    throwIfInterrupted(signal);
    throw unreachable(answer, error);
  }
  if (bytes > bytesMax) throw mismatch(answer, `more than ${bytesMax} bytes`);
  return Buffer.concat(pieces);
}
