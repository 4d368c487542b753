import {open, readdir} from 'node:fs/promises';
import {join} from 'node:path';
import {systemCode, ThawError} from '../core/errors.ts';
import type {LoadReport} from '../core/load.ts';
import type {RunHeader} from '../core/report.ts';
import type {Sample} from '../core/sample.ts';
import {createJsonLines, openJsonLines, readJsonLines, type JsonLines} from './json-lines.ts';

/** A load that came to its end: a line of a run's NDJSON. */
interface LoadLine {
  readonly schema: 'thaw.load/1';
  readonly provider: string;
  readonly load: LoadReport;
}

/** The run was gone on with, or is whole: a line of a run's NDJSON. Nothing follows the end. */
interface Mark {
  readonly schema: 'thaw.run-resumed/1' | 'thaw.run-end/1';
  /** ISO 8601. */
  readonly at: string;
}

/**
 * A run's NDJSON that is being written: a RunHeader, then what was measured, as it comes. Each call resolves when the
 * operating system has the lines and may throw DISK_FULL.
 */
export interface RunFile {
  append(...samples: readonly Sample[]): Promise<void>;
  /** Keeps what a load came to. A load without it is fired anew when the run is resumed. */
  appendLoad(provider: string, load: LoadReport): Promise<void>;
  /** Says that nothing is left to measure, so that the run is not resumed. */
  finish(at: string): Promise<void>;
  close(): Promise<void>;
}

/** What was measured of a run, as it lies on disk. */
export interface RunOnDisk {
  readonly file: string;
  readonly header: RunHeader;
  /** Of the cold and the warm shots, each once. */
  readonly samples: readonly Sample[];
  /** By provider: loads that came to their end. */
  readonly loads: ReadonlyMap<string, LoadReport>;
  /** Samples of loads, which are only counted: there may be millions. */
  readonly loadSamples: number;
  /** When it was gone on with, ISO 8601. */
  readonly resumedAt: readonly string[];
  readonly finished: boolean;
  /** Lines that a crash or a full disk cut off. */
  readonly damagedLines: number;
}

/**
 * Starts the file of a run.
 *
 * @throws ThawError FILE_EXISTS, DISK_FULL, PERMISSION_DENIED
 */
export async function createRunFile(file: string, header: RunHeader): Promise<RunFile> {
  const lines = await createJsonLines(file);
  await appendFirst(lines, header);
  return runFileOf(lines);
}

/**
 * Opens the file of a run to go on with it.
 *
 * @param at now, ISO 8601
 * @throws ThawError INPUT_INVALID, DISK_FULL, PERMISSION_DENIED
 */
export async function resumeRunFile(file: string, at: string): Promise<RunFile> {
  const lines = await openJsonLines(file);
  await appendFirst(lines, {schema: 'thaw.run-resumed/1', at} satisfies Mark);
  return runFileOf(lines);
}

async function appendFirst(lines: JsonLines, value: object): Promise<void> {
  try {
    await lines.append([value]);
  } catch (error) {
    await lines.close();
    throw error;
  }
}

function runFileOf(lines: JsonLines): RunFile {
  return {
    append: (...samples) => lines.append(samples),
    appendLoad: (provider, load) =>
      lines.append([{schema: 'thaw.load/1', provider, load} satisfies LoadLine]),
    finish: (at) => lines.append([{schema: 'thaw.run-end/1', at} satisfies Mark]),
    close: () => lines.close(),
  };
}

/**
 * Reads the file of a run, whenever and wherever it was cut off. Lines that are not whole are passed over and counted;
 * of a shot that was measured twice the first sample counts.
 *
 * @throws ThawError INPUT_INVALID if it cannot be read, or does not begin with a whole header of a version that this
 *   thaw reads
 */
export async function readRunFile(file: string): Promise<RunOnDisk> {
  let header: RunHeader | null = null;
  const samples = new Map<string, Sample>();
  const loads = new Map<string, LoadReport>();
  const resumedAt: string[] = [];
  let loadSamples = 0;
  let finished = false;
  let damagedLines = 0;
  for await (const line of readJsonLines(file)) {
    if (header === null) {
      header = headerOf(file, line);
    } else if (isSample(line)) {
      const {provider, shot} = line;
      const key = JSON.stringify([provider, shot.index]);
      if (shot.want === 'any') loadSamples++;
      else if (!samples.has(key)) samples.set(key, line);
    } else if (isLoad(line)) loads.set(line.provider, line.load);
    else if (isMark(line, 'thaw.run-resumed/1')) resumedAt.push(line.at);
    else if (isMark(line, 'thaw.run-end/1')) finished = true;
    else damagedLines++;
  }
  if (header === null) throw noHeader(file, null);
  return {
    file,
    header,
    samples: [...samples.values()],
    loads,
    loadSamples,
    resumedAt,
    finished,
    damagedLines,
  };
}

type Line = {readonly [key: string]: unknown} | null;

function headerOf(file: string, line: Line): RunHeader {
  if (line?.['schema'] !== 'thaw.run/1' || !Array.isArray(line['targets'])) throw noHeader(file, line);
  return line as unknown as RunHeader;
}

function noHeader(file: string, line: Line): ThawError {
  const schema = typeof line?.['schema'] === 'string' ? line['schema'] : null;
  const found =
    schema === null
      ? 'the first line is not whole'
      : `the first line is ${schema}, and this thaw reads thaw.run/1`;
  return new ThawError('INPUT_INVALID', `${file}: is no run that can be read: ${found}`, {file, schema});
}

const isSample = (line: unknown): line is Sample => {
  const sample = line as Partial<Sample> | null;
  return (
    sample?.schema === 'thaw.sample/1' &&
    typeof sample.provider === 'string' &&
    typeof sample.totalMs === 'number' &&
    typeof sample.shot?.index === 'number'
  );
};

const isLoad = (line: unknown): line is LoadLine =>
  (line as Partial<LoadLine> | null)?.schema === 'thaw.load/1' &&
  typeof (line as LoadLine).load?.histogram === 'string';

const isMark = (line: unknown, schema: Mark['schema']): line is Mark =>
  (line as Partial<Mark> | null)?.schema === schema;

/** The latest run in a folder that was not finished, by name; null if there is none. Files without a header are passed over. */
export async function findUnfinishedRun(folder: string): Promise<string | null> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  });
  const latestFirst = names
    .filter((name) => name.endsWith('.ndjson'))
    .sort()
    .toReversed();
  for (const name of latestFirst) {
    const file = join(folder, name);
    if ((await beginsWithHeader(file)) && !(await endsWithEnd(file))) return file;
  }
  return null;
}

async function beginsWithHeader(file: string): Promise<boolean> {
  for await (const line of readJsonLines(file)) return line?.['schema'] === 'thaw.run/1';
  return false;
}

/** More than an end line takes. */
const TAIL_BYTES = 200;

async function endsWithEnd(file: string): Promise<boolean> {
  const handle = await open(file, 'r');
  try {
    const {size} = await handle.stat();
    const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
    await handle.read(tail, 0, tail.length, size - tail.length);
    // Whole only with its line end: else it may have been cut, and the run is as good as unfinished.
    return /\n\{"schema":"thaw\.run-end\/1"[^\n]*\}\n$/.test(tail.toString());
  } finally {
    await handle.close();
  }
}
