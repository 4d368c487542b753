/**
 * Reads all that a list has, page after page.
 *
 * @param read is handed what the page before said of the next one; null: there is no such list
 */
export async function readPages<P, T>(
  read: (token: string | undefined) => Promise<P | null>,
  itemsOf: (page: P) => readonly T[] | undefined,
  nextOf: (page: P) => string | undefined,
): Promise<T[]> {
  const all: T[] = [];
  let token: string | undefined;
  do {
    const page = await read(token);
    if (page === null) break;
    all.push(...(itemsOf(page) ?? []));
    token = nextOf(page) || undefined;
  } while (token !== undefined);
  return all;
}
