/** Remembers what has been computed of a part of a model, as long as the part is there. */
export type Memo = <T>(of: object, what: string, compute: () => T) => T;

/** Makes a memory: forms of one model that are made one after another need not compute anything twice. */
export function createMemo(): Memo {
  const known = new WeakMap<object, Map<string, unknown>>();
  return <T>(of: object, what: string, compute: () => T): T => {
    const parts = known.get(of) ?? new Map<string, unknown>();
    known.set(of, parts);
    if (!parts.has(what)) parts.set(what, compute());
    return parts.get(what) as T;
  };
}
