/** Something that thaw keeps on this machine and can make or fetch again. */
export interface CacheItem {
  readonly kind: 'package' | 'layer' | 'environment';
  /** For people: a package with its version, a layer's role with its digest, a Python and its first package. */
  readonly name: string;
  readonly bytes: number;
  /** What removing it gives back: an image layout may hold the same bytes by a hard link. */
  readonly freeableBytes: number;
  /** Wall clock, milliseconds since the epoch. */
  readonly lastUsedMs: number;
  /** Its files and folders, in the order in which they go: what is left after any of them is still right. */
  readonly paths: readonly string[];
}

/** One of the folders in which thaw keeps such things. It never lists or removes what thaw did not put there. */
export interface CacheStore {
  /** What is there and whole. */
  list(): Promise<readonly CacheItem[]>;
  /** Removes an item, so that whoever looks finds it whole or not at all. */
  remove(item: CacheItem): Promise<void>;
  /** Removes what processes that are gone have left half-way. */
  sweep(): Promise<void>;
}
