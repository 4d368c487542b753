/** Milliseconds since this process was born: the one timeline of all phases. */
export const sinceBirthMs = (): number => performance.now();

/** When this file ran: the server imports it first, so that `boot` ends where thaw's own code begins. */
const BOOTED_MS = sinceBirthMs();

/** The boundaries of the start-up phases, each the end of the one before. */
export interface StartMarks {
  readonly bootedMs: number;
  /** The code is there: the server, the handler, ONNX Runtime. */
  readonly importedMs: number;
  /** The model is loaded. */
  readonly readyMs: number;
}

/** Collects the boundaries as they are passed. */
export interface MarkStart {
  readonly imported: () => void;
  readonly ready: () => StartMarks;
}

/** Begins the timeline of this process. */
export function markStart(): MarkStart {
  let importedMs = BOOTED_MS;
  return {
    imported: () => {
      importedMs = sinceBirthMs();
    },
    ready: () => ({bootedMs: BOOTED_MS, importedMs, readyMs: sinceBirthMs()}),
  };
}

/**
 * Renders phases as a Server-Timing header.
 *
 * @param arrivedMs when the request came
 * @param inferMs the call to the handler or the model; null if it did not come to that
 * @param start given for the first request only: the others came to an instance that was there
 */
export function renderServerTiming(
  arrivedMs: number,
  inferMs: number | null,
  start: StartMarks | null,
): string {
  const phases: [name: string, ms: number][] = [];
  if (start !== null) {
    phases.push(['boot', start.bootedMs]);
    phases.push(['import', start.importedMs - start.bootedMs]);
    phases.push(['load', start.readyMs - start.importedMs]);
    phases.push(['wait', Math.max(0, arrivedMs - start.readyMs)]);
  }
  if (inferMs !== null) phases.push(['infer', inferMs]);
  return phases.map(([name, ms]) => `${name};dur=${ms.toFixed(3)}`).join(', ');
}
