/** What Lambda measures of one invocation. */
export interface Report {
  readonly requestId: string;
  readonly durationMs: number;
  readonly memoryMb: number;
  /** Null where it cannot be known. */
  readonly peakMemoryMb: number | null;
  /** Of the start, if it came right before this invocation and was no part of it. */
  readonly initMs: number | null;
  readonly failure: {readonly status: 'timeout' | 'error'; readonly errorType: string | null} | null;
}

/** The line that tools read what an invocation took from. The start of an image is billed. */
export function renderReport(report: Report): string {
  const {requestId, durationMs, memoryMb, peakMemoryMb, initMs, failure} = report;
  const [duration, init] = [durationMs.toFixed(2), initMs?.toFixed(2)];
  // Of what stands in the line, so that the line adds up.
  const billedMs = Math.ceil(Number((Number(duration) + Number(init ?? 0)).toFixed(2)));
  const fields = [
    `REPORT RequestId: ${requestId}`,
    `Duration: ${duration} ms`,
    `Billed Duration: ${billedMs} ms`,
    `Memory Size: ${memoryMb} MB`,
    ...(peakMemoryMb === null ? [] : [`Max Memory Used: ${peakMemoryMb} MB`]),
    ...(init === undefined ? [] : [`Init Duration: ${init} ms`]),
    ...(failure === null ? [] : [`Status: ${failure.status}`]),
    ...(failure === null || failure.errorType === null ? [] : [`Error Type: ${failure.errorType}`]),
  ];
  return `${fields.join('\t')}\t`;
}

/** The line about a start that was cut off or failed. */
export function renderInitReport(initMs: number, failure: NonNullable<Report['failure']>): string {
  const type = failure.errorType === null ? '' : `\tError Type: ${failure.errorType}`;
  return `INIT_REPORT Init Duration: ${initMs.toFixed(2)} ms\tPhase: init\tStatus: ${failure.status}${type}`;
}
