/** Headers that belong to one connection and not to the message on it. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
]);

/**
 * The headers that go on to the other side, as they came: name, value, name, value.
 *
 * @param without names in lower case that are left out besides
 */
export function endToEnd(rawHeaders: readonly string[], ...without: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || without.includes(lower)) continue;
    kept.push(name, rawHeaders[i + 1] as string);
  }
  return kept;
}
