/** How many digits of a digest a tag has: as many as engines print. */
const SHORT_DIGITS = 12;

/** What an image is called in an engine: the tag that moves, and the one that stays. */
export interface ImageNames {
  /** `credit-scoring:latest` */
  readonly latest: string;
  /** `credit-scoring:3f2a9c41d07b`, after a digest. */
  readonly pinned: string;
}

/** Names an image after its function and a digest (`sha256:…`) of it. */
export function imageNames(functionName: string, digest: string): ImageNames {
  const short = digest.slice('sha256:'.length).slice(0, SHORT_DIGITS);
  return {latest: `${functionName}:latest`, pinned: `${functionName}:${short}`};
}
