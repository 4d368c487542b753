/** What Lambda says of one invocation, by the names that it uses. Times are in milliseconds. */
export interface ReportLine {
  readonly requestId: string;
  readonly durationMs: number | null;
  readonly billedMs: number | null;
  readonly memoryMb: number | null;
  readonly peakMemoryMb: number | null;
  /** Only where the instance was started for this very request. */
  readonly initMs: number | null;
  /** Only where it went on from a snapshot. */
  readonly restoreMs: number | null;
  readonly status: string | null;
}

/**
 * Reads a REPORT line by its keys: their order is not always the same, and there are more than are read here. Of a log
 * in JSON its `platform.report` is read.
 *
 * @returns null for any other line
 */
export function parseReportLine(line: string): ReportLine | null {
  const text = line.trim();
  if (text.startsWith('{')) return parseJsonReport(text);
  if (!text.startsWith('REPORT ')) return null;
  const fields = new Map<string, string>();
  for (const field of text.slice('REPORT '.length).split(/\t|\n/)) {
    const colon = field.indexOf(':');
    if (colon > 0) fields.set(field.slice(0, colon).trim(), field.slice(colon + 1).trim());
  }
  const requestId = fields.get('RequestId');
  if (requestId === undefined || requestId === '') return null;
  return {
    requestId,
    durationMs: amount(fields.get('Duration'), 'ms'),
    billedMs: amount(fields.get('Billed Duration'), 'ms'),
    memoryMb: amount(fields.get('Memory Size'), 'MB'),
    peakMemoryMb: amount(fields.get('Max Memory Used'), 'MB'),
    initMs: amount(fields.get('Init Duration'), 'ms'),
    restoreMs: amount(fields.get('Restore Duration'), 'ms'),
    status: fields.get('Status') ?? null,
  };
}

function amount(text: string | undefined, unit: string): number | null {
  const [, digits, found] = /^(\d+(?:\.\d+)?)\s*(\w+)$/.exec(text ?? '') ?? [];
  return digits === undefined || found !== unit ? null : Number(digits);
}

function parseJsonReport(text: string): ReportLine | null {
  let line: {
    readonly type?: unknown;
    readonly record?: {
      readonly requestId?: unknown;
      readonly status?: unknown;
      readonly metrics?: {readonly [name: string]: unknown};
    };
  };
  try {
    line = JSON.parse(text) as typeof line;
  } catch {
    return null;
  }
  const {type, record} = line;
  if (type !== 'platform.report' || typeof record?.requestId !== 'string') return null;
  const metric = (name: string): number | null => {
    const value = record.metrics?.[name];
    return typeof value === 'number' && Number.isFinite(value) ? value : null;
  };
  return {
    requestId: record.requestId,
    durationMs: metric('durationMs'),
    billedMs: metric('billedDurationMs'),
    memoryMb: metric('memorySizeMB'),
    peakMemoryMb: metric('maxMemoryUsedMB'),
    initMs: metric('initDurationMs'),
    restoreMs: metric('restoreDurationMs'),
    status: typeof record.status === 'string' && record.status !== 'success' ? record.status : null,
  };
}

/** What an instance's last line of an invocation says: which boot answered, and as its how-manieth request. */
export interface EvidenceLine {
  readonly requestId: string;
  readonly bootId: string;
  readonly ordinal: number;
  /** Since the process was born, when the line was written. */
  readonly bootAgeMs: number;
}

/** @returns null for any other line */
export function parseEvidenceLine(text: string): EvidenceLine | null {
  if (!text.includes('evidence')) return null;
  let line: {readonly [key: string]: unknown};
  try {
    line = JSON.parse(text.trim()) as typeof line;
  } catch {
    return null;
  }
  // A log in JSON may hold the line as it was written, or as a message.
  const inner = typeof line['message'] === 'string' ? parseEvidenceLine(line['message']) : null;
  if (inner !== null) return inner;
  const {event, requestId, 'thaw-boot': bootId, 'thaw-ordinal': ordinal, 'thaw-boot-age': age} = line;
  if (event !== 'evidence' || typeof requestId !== 'string' || typeof bootId !== 'string') return null;
  return {requestId, bootId, ordinal: Number(ordinal), bootAgeMs: Number(age)};
}
