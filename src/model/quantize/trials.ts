import {randomUUID} from 'node:crypto';
import {rm} from 'node:fs/promises';
import {join} from 'node:path';
import type {JsonObject} from '../../core/json.ts';
import type {Drift} from '../../core/model.ts';
import type {Row} from '../calibration.ts';
import {writeModel} from '../candidate.ts';
import {measureDrift} from '../drift.ts';
import type {OutputRow} from '../drift.ts';
import type {ModelProto} from '../onnx.ts';
import type {Probe} from '../probe.ts';
import {merge} from '../session-options.ts';

/** What trials need. */
export interface TrialRequest {
  /** The model file that external tensors are relative to. */
  readonly sourcePath: string;
  /** Session options that forms are to be run with, their own excepted. */
  readonly session: JsonObject;
  readonly probe: Probe;
  /** Where forms are written; none stays. */
  readonly dir: string;
  readonly signal: AbortSignal;
}

/** A form to be tried. */
export interface Trial {
  readonly model: ModelProto;
  readonly session: JsonObject;
}

/** What a trial showed. */
export interface Measured {
  readonly drift: readonly Drift[];
  /** Why the outputs cannot be compared. */
  readonly broken: string | null;
  /** Noise to signal of the output that suffers most; infinite where outputs cannot be compared. */
  readonly nsr: number;
}

/** Runs forms that are not to stay, each run in a process of its own. */
export interface Trials {
  /** Runs a form over batches of rows, each batch in a process of its own; a message if that fails. */
  outputs(form: Trial, batches: readonly (readonly Row[])[]): Promise<readonly OutputRow[] | string>;
  /** Holds a form's outputs against the original's. */
  measure(form: Trial, rows: readonly Row[], original: readonly OutputRow[]): Promise<Measured>;
  /** How many processes there were. */
  runs(): number;
}

/** Nothing is timed: threads that wait for work need not keep a core busy. */
const UNHURRIED: JsonObject = {extra: {session: {intra_op: {allow_spinning: '0'}}}};

/**
 * Makes a bench for trials.
 *
 * @param onRun called after each process with how many there were
 */
export function openTrials(
  {sourcePath, session, probe, dir, signal}: TrialRequest,
  onRun: (runs: number) => void,
): Trials {
  let runs = 0;
  const outputs: Trials['outputs'] = async (form, batches) => {
    const file = join(dir, `mixed-${randomUUID()}.onnx`);
    const written = await writeModel(form.model, sourcePath, file, signal);
    try {
      const all: OutputRow[] = [];
      for (const rows of batches) {
        const options = merge(merge(session, UNHURRIED), form.session);
        const result = await probe({model: file, session: options, rows, warmCalls: 0, wantOutputs: true});
        onRun(++runs);
        if (!result.ok) return result.message;
        all.push(...result.rows);
      }
      return all;
    } finally {
      for (const part of written.files) await rm(part.file, {force: true});
    }
  };
  return {
    outputs,
    async measure(form, rows, original) {
      const made = await outputs(form, [rows]);
      return typeof made === 'string' ? {drift: [], broken: made, nsr: Infinity} : compare(original, made);
    },
    runs: () => runs,
  };
}

/** Holds outputs against the original's. */
export function compare(original: readonly OutputRow[], made: readonly OutputRow[]): Measured {
  const {drift, broken} = measureDrift(original, made);
  const nsr = broken === null ? Math.max(0, ...drift.map((each) => each.nsr)) : Infinity;
  return {drift, broken, nsr};
}
