import type {Deployment, StartupRecord} from '../../../core/deployment.ts';
import type {Context, StartupQuery} from '../../../core/driver.ts';
import type {OpenAws} from '../calls/clients.ts';
import {handleOf} from './handle.ts';
import {readEvents} from './logs.ts';
import {parseEvidenceLine, parseReportLine, type EvidenceLine, type ReportLine} from './report-line.ts';

/** Log lines come a little later than answers. */
const WAITS_MS = [0, 1000, 2000, 4000, 8000];
/** Between the end of a start and the beginning of the invocation, and what clocks differ by. */
const SLACK_MS = 50;

/**
 * What Lambda itself recorded of these boots: the REPORT of the request that the boot answered first, found by the
 * evidence that the instance wrote into the same log. Boots whose lines have not come are left out.
 */
export async function readStartups(
  openAws: OpenAws,
  context: Context,
  deployment: Deployment,
  {bootIds, sinceMs}: StartupQuery,
): Promise<readonly StartupRecord[]> {
  if (bootIds.length === 0) return [];
  const handle = handleOf(deployment);
  const aws = openAws(context, handle);
  let records: readonly StartupRecord[] = [];
  for (const waitMs of WAITS_MS) {
    if (waitMs > 0) await context.ports.clock.sleep(waitMs, context.signal);
    const lines: string[] = [];
    for await (const event of readEvents(aws, handle.logGroup, {sinceMs}, context)) {
      lines.push(event.text);
    }
    records = startupsIn(lines, bootIds);
    if (records.length === bootIds.length) break;
  }
  return records;
}

/** Joins what instances and Lambda wrote about the same requests. */
export function startupsIn(lines: readonly string[], bootIds: readonly string[]): readonly StartupRecord[] {
  const firstRequests = new Map<string, EvidenceLine>();
  const reports = new Map<string, ReportLine>();
  for (const line of lines) {
    const evidence = parseEvidenceLine(line);
    if (evidence?.ordinal === 1) firstRequests.set(evidence.bootId, evidence);
    const report = parseReportLine(line);
    if (report !== null) reports.set(report.requestId, report);
  }
  return bootIds.flatMap((bootId) => {
    const first = firstRequests.get(bootId);
    const report = reports.get(first?.requestId ?? '');
    if (first === undefined || report === undefined) return [];
    const {initMs, restoreMs, durationMs, billedMs} = report;
    const phases = {
      ...(initMs === null ? {} : {'Init Duration': initMs}),
      ...(restoreMs === null ? {} : {'Restore Duration': restoreMs}),
      ...(durationMs === null ? {} : {Duration: durationMs}),
      ...(billedMs === null ? {} : {'Billed Duration': billedMs}),
    };
    return [{bootId, phases, onDemand: isBornFor(first, report)}];
  });
}

/**
 * Whether the instance was started for the request that it answered first. Lambda reports a start with the first
 * request, however long before that it was: an instance that is older than start and request together was there. A start
 * that took too long is begun anew as part of the request, and is not reported apart.
 */
function isBornFor({bootAgeMs}: EvidenceLine, {initMs, restoreMs, durationMs}: ReportLine): boolean {
  if (restoreMs !== null) return true;
  return bootAgeMs <= (initMs ?? 0) + (durationMs ?? 0) + SLACK_MS;
}
