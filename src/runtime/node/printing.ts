/** What the streams of processes have beneath, on pipes and terminals. */
interface Stream {
  readonly _handle?: {setBlocking?(blocking: boolean): void};
}

/**
 * Has what a handler prints reach its reader before it goes on. Node keeps what a pipe does not take at once, without
 * a bound, and ends the process (ENOBUFS) when that has become 700 MB.
 *
 * The streams are made when first asked for, which takes time: so nothing is done before that.
 */
export function printAtOnce(): void {
  for (const name of ['stdout', 'stderr'] as const) {
    const made = Object.getOwnPropertyDescriptor(process, name);
    if (made?.get === undefined) continue;
    Object.defineProperty(process, name, {
      ...made,
      get() {
        Object.defineProperty(process, name, made);
        const stream = process[name] as Stream;
        stream._handle?.setBlocking?.(true);
        return stream;
      },
    });
  }
}
