import type {Evidence, StartClass} from '../core/sample.ts';

/**
 * Says what a request turned out to be, by what the instance that answered it proves, never by what was intended.
 *
 * An instance no older than the request was born during it. If this was the first request it saw, it was born for
 * it (`cold`); else another request caused the birth and this one waited along (`joined`). An older instance that
 * had seen no request was waiting (`prewarmed`). Snapshots and restarts describe how an instance came to life, so
 * they count for its first request only; all that follow are `warm`.
 *
 * @param waitMs how long the client waited for the answer's first byte
 */
export function classify(evidence: Evidence | null, waitMs: number): StartClass {
  if (evidence === null) return 'unknown';
  const bornDuringRequest = evidence.bootAgeMs <= waitMs;
  if (evidence.ordinal > 1) return bornDuringRequest ? 'joined' : 'warm';
  if (evidence.restored) return 'restored';
  if (evidence.restarted) return 'restarted';
  return bornDuringRequest ? 'cold' : 'prewarmed';
}
