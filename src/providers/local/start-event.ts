/** What a server says of its start, in one line on its standard output. */
export type StartEvent =
  | {
      readonly event: 'ready';
      /** Null if it fetches its requests itself. */
      readonly port: number | null;
      readonly bootId: string;
      /** Milliseconds from the birth of its process to this line. */
      readonly readyMs?: number;
    }
  | {readonly event: 'failed'; readonly code: string; readonly message: string};

/** Reads a line in which the server says that it is ready, or why it will not be; null for any other line. */
export function parseStartEvent(line: string): StartEvent | null {
  if (!line.startsWith('{"event":')) return null;
  try {
    const event = JSON.parse(line) as Partial<{[key in string]: unknown}>;
    const {port} = event;
    if (event['event'] === 'ready' && (port === null || Number.isInteger(port))) return event as StartEvent;
    if (event['event'] === 'failed' && typeof event['message'] === 'string') return event as StartEvent;
  } catch {
    // Not one of ours, then.
  }
  return null;
}
