import type {Report} from '../core/report.ts';

/** The report as one JSON document, for a file. */
export function renderJson(report: Report): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}
