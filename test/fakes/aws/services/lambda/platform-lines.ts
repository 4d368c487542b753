/** How a function's log is written. */
export type LogFormat = 'Text' | 'JSON';

const REQUEST_ID = /RequestId: (\S+)/;

/**
 * Writes a line of the platform as the function's log format has it: with JSON, platform events as
 * docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html describes them. What the function itself
 * writes stays as it is.
 */
export function renderPlatformLine(line: string, format: LogFormat, atMs: number): string {
  if (format !== 'JSON') return line;
  const requestId = REQUEST_ID.exec(line)?.[1];
  const event = (type: string, record: object): string =>
    JSON.stringify({time: new Date(atMs).toISOString(), type, record});
  if (line.startsWith('START RequestId: ')) {
    return event('platform.start', {requestId, version: / Version: (\S+)/.exec(line)?.[1]});
  }
  if (line.startsWith('END RequestId: '))
    return event('platform.runtimeDone', {requestId, status: 'success'});
  if (line.startsWith('INIT_REPORT ')) {
    const [, status, errorType] = /Status: (\w+)(?:\tError Type: (\S+))?/.exec(line) ?? [];
    return event('platform.initReport', {
      initializationType: 'on-demand',
      phase: 'init',
      status: status ?? 'success',
      ...(errorType !== undefined && {errorType}),
      metrics: {durationMs: numberIn(line, 'Init Duration', 'ms')},
    });
  }
  if (!line.startsWith('REPORT RequestId: ')) return line;
  const initDurationMs = numberIn(line, 'Init Duration', 'ms');
  const [, errorType] = /Error Type: (\S+)/.exec(line) ?? [];
  return event('platform.report', {
    requestId,
    metrics: {
      durationMs: numberIn(line, '\tDuration', 'ms'),
      billedDurationMs: numberIn(line, 'Billed Duration', 'ms'),
      memorySizeMB: numberIn(line, 'Memory Size', 'MB'),
      maxMemoryUsedMB: numberIn(line, 'Max Memory Used', 'MB'),
      ...(initDurationMs !== undefined && {initDurationMs}),
    },
    status: /Status: (\w+)/.exec(line)?.[1] ?? 'success',
    ...(errorType !== undefined && {errorType}),
  });
}

function numberIn(line: string, key: string, unit: string): number | undefined {
  const text = new RegExp(`${key}: ([\\d.]+) ${unit}`).exec(line)?.[1];
  return text === undefined ? undefined : Number(text);
}
