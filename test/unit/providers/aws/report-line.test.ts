import {describe, expect, it} from 'vitest';
import {parseEvidenceLine, parseReportLine} from '../../../../src/providers/aws/live/report-line.ts';
import {startupsIn} from '../../../../src/providers/aws/live/startup.ts';

const ID = '8f5c2b1e-1111-4222-8333-944455556666';

describe('the REPORT line', () => {
  it('is read by its keys', () => {
    const line = `REPORT RequestId: ${ID}\tDuration: 12.34 ms\tBilled Duration: 3013 ms\tMemory Size: 1024 MB\tMax Memory Used: 212 MB\tInit Duration: 3000.12 ms\t\n`;
    expect(parseReportLine(line)).toEqual({
      requestId: ID,
      durationMs: 12.34,
      billedMs: 3013,
      memoryMb: 1024,
      peakMemoryMb: 212,
      initMs: 3000.12,
      restoreMs: null,
      status: null,
    });
  });

  it('is the same in another order, with fields that are not known', () => {
    const line = `REPORT RequestId: ${ID}\tInit Duration: 1.5 ms\tDuration: 2 ms\tSome Thing: 7 cm\tStatus: timeout\tMax Memory Used: 9 MB`;
    expect(parseReportLine(line)).toMatchObject({
      initMs: 1.5,
      durationMs: 2,
      peakMemoryMb: 9,
      status: 'timeout',
    });
  });

  it('has a restore instead of an init where there was a snapshot', () => {
    const line = `REPORT RequestId: ${ID}\tDuration: 5 ms\tRestore Duration: 120.3 ms\tBilled Restore Duration: 130 ms\t\nXRAY TraceId: 1-2-3\tSegmentId: 4\tSampled: true`;
    expect(parseReportLine(line)).toMatchObject({initMs: null, restoreMs: 120.3, requestId: ID});
  });

  it('is read from a log in JSON', () => {
    const record = {
      requestId: ID,
      metrics: {durationMs: 4.2, initDurationMs: 99.5, memorySizeMB: 512},
      status: 'success',
    };
    const line = JSON.stringify({time: '2026-11-23T00:00:00.000Z', type: 'platform.report', record});
    expect(parseReportLine(line)).toMatchObject({
      requestId: ID,
      durationMs: 4.2,
      initMs: 99.5,
      memoryMb: 512,
      status: null,
    });
  });

  it.each([
    'START RequestId: 1 Version: 2',
    'REPORT',
    'REPORT Duration: 3 ms',
    'INIT_REPORT Init Duration: 9999.9 ms\tPhase: init\tStatus: timeout',
    '{"type":"platform.start","record":{"requestId":"x"}}',
    '{"type":"platform.report"}',
    '{not json',
    'REPORTING RequestId: 1',
    '',
  ])('is not %j', (line) => {
    expect(parseReportLine(line)).toBeNull();
  });

  it('does not take a value of another unit', () => {
    expect(parseReportLine(`REPORT RequestId: ${ID}\tDuration: 3 s`)?.durationMs).toBeNull();
  });
});

const evidence = (requestId: string, boot: string, ordinal: number, ageMs: number): string =>
  JSON.stringify({
    event: 'evidence',
    requestId,
    'thaw-boot': boot,
    'thaw-ordinal': String(ordinal),
    'thaw-boot-age': ageMs.toFixed(3),
  });

describe('the evidence line', () => {
  const line = evidence(ID, 'boot-1', 1, 812.5);

  it('says which boot answered', () => {
    expect(parseEvidenceLine(line)).toEqual({requestId: ID, bootId: 'boot-1', ordinal: 1, bootAgeMs: 812.5});
    expect(parseEvidenceLine(JSON.stringify({level: 'INFO', message: line}))?.bootId).toBe('boot-1');
    expect(parseEvidenceLine('{"event":"ready"}')).toBeNull();
    expect(parseEvidenceLine('"evidence"')).toBeNull();
  });
});

describe('startups', () => {
  const report = (requestId: string, durationMs: number, init = ''): string =>
    `REPORT RequestId: ${requestId}\tDuration: ${durationMs} ms\t${init}`;

  it('are what Lambda reported of the first request of each boot', () => {
    const lines = [
      report('r1', 10, 'Init Duration: 800 ms'),
      evidence('r1', 'cold', 1, 805),
      evidence('r2', 'cold', 2, 900),
      report('r2', 10),
      evidence('r4', 'unreported', 1, 3),
    ];
    expect(startupsIn(lines, ['cold', 'unreported', 'unknown'])).toEqual([
      {bootId: 'cold', phases: {'Init Duration': 800, Duration: 10}, onDemand: true},
    ]);
  });

  it('were not on demand where the instance is older than its start and its first request', () => {
    const lines = [report('r1', 10, 'Init Duration: 800 ms'), evidence('r1', 'early', 1, 60_000)];
    expect(startupsIn(lines, ['early'])[0]?.onDemand).toBe(false);
    expect(startupsIn([report('r1', 10), evidence('r1', 'kept', 1, 60_000)], ['kept'])[0]?.onDemand).toBe(
      false,
    );
  });

  it('were on demand where a start was begun anew within the request', () => {
    const lines = [report('r1', 14_000), evidence('r1', 'again', 1, 13_500)];
    expect(startupsIn(lines, ['again'])[0]).toMatchObject({onDemand: true, phases: {Duration: 14_000}});
  });
});
