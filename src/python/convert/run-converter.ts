import {join} from 'node:path';
import {ThawError} from '../../core/errors.ts';
import type {Json, JsonObject} from '../../core/json.ts';
import type {Running} from '../run.ts';

/** One line of a converting program's output. */
type Event =
  | {readonly event: 'step' | 'note'; readonly text: string}
  | ({readonly event: 'result'} & JsonObject)
  | {
      readonly event: 'refused';
      readonly reason: string;
      readonly message: string;
      readonly facts: JsonObject;
    };

/** Of what a program wrote before it failed, so many lines are shown. */
const LAST_LINES = 12;

/**
 * Runs one of thaw's converting programs and returns its result.
 *
 * @param programsDir the folder that they lie in
 * @throws ThawError CONVERSION_REFUSED with what the program refused, or with its last lines if it died; INTERRUPTED
 */
export async function runConverter(
  program: {
    readonly python: string;
    readonly programsDir: string;
    readonly name: string;
    readonly env: {readonly [name: string]: string};
  },
  request: JsonObject,
  {run, signal, onStep, onNote, onOutput}: Running,
): Promise<JsonObject> {
  const events: Event[] = [];
  const hear = (line: string): void => {
    const event = parseEvent(line);
    if (event === null) onOutput(line);
    else if (event.event === 'step') onStep(event.text);
    else if (event.event === 'note') onNote(event.text);
    else events.push(event);
  };
  const end = await run(program.python, [join(program.programsDir, `${program.name}.py`)], {
    signal,
    input: inputOf(request),
    env: {...program.env, PYTHONIOENCODING: 'utf-8', PYTHONDONTWRITEBYTECODE: '1'},
    onLine: hear,
  });
  const last = events.at(-1);
  const lastLines = end.stderr.trim().split(/\r?\n/).slice(-LAST_LINES);
  if (last?.event === 'result') return last;
  if (last?.event === 'refused') {
    const {reason, message, facts} = last;
    const unforeseen = reason === 'failed';
    throw new ThawError('CONVERSION_REFUSED', unforeseen ? `converting failed: ${message}` : message, {
      ...facts,
      reason,
      ...(unforeseen && {lastLines}),
    });
  }
  const how = end.systemCode ?? (end.exitCode === null ? 'a signal' : `exit code ${end.exitCode}`);
  throw new ThawError('CONVERSION_REFUSED', `Python ended with ${how} while it converted`, {
    reason: 'died',
    exitCode: end.exitCode,
    lastLines,
  });
}

async function* inputOf(request: JsonObject): AsyncIterable<Uint8Array> {
  yield Buffer.from(JSON.stringify(request));
}

/** A line of the protocol; null for any other. */
function parseEvent(line: string): Event | null {
  if (!line.startsWith('{"event": ')) return null;
  try {
    const event = JSON.parse(line) as {readonly [member: string]: Json};
    const known: readonly unknown[] = ['step', 'note', 'result', 'refused'];
    return known.includes(event['event']) ? (event as unknown as Event) : null;
  } catch {
    return null;
  }
}
