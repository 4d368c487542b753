import {mkdtemp, readdir, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {JsonObject} from '../../../src/core/json.ts';
import type {Row} from '../../../src/model/calibration.ts';
import type {OutputRow} from '../../../src/model/drift.ts';
import type {ModelProto} from '../../../src/model/onnx.ts';
import {createProbe} from '../../../src/model/probe.ts';
import type {Probe} from '../../../src/model/probe.ts';
import {RUNTIME_DIR} from '../../instance.ts';
import {hostOrt} from '../../onnxruntime.ts';
import {bytesOf} from './build-model.ts';

/** A folder, and ONNX Runtime to run models from it. */
export interface InRuntime {
  readonly dir: string;
  readonly probe: Probe;
  /** A model's outputs for each row. */
  run(proto: ModelProto, rows: readonly Row[], session?: JsonObject): Promise<readonly OutputRow[]>;
  /** What lies in the folder. */
  files(): Promise<string[]>;
  close(): Promise<void>;
}

/** Makes the folder; to be closed. */
export async function openRuntime(signal = new AbortController().signal): Promise<InRuntime> {
  const dir = await mkdtemp(join(tmpdir(), 'thaw-model-'));
  const probe = createProbe({
    nodePath: process.execPath,
    probeFile: join(RUNTIME_DIR, 'probe.cjs'),
    onnxruntimeDir: (await hostOrt()).dir,
    signal,
  });
  return {
    dir,
    probe,
    async run(proto, rows, session = {}) {
      const file = join(dir, 'run.onnx');
      await writeFile(file, bytesOf(proto));
      const result = await probe({model: file, session, rows, warmCalls: 0, wantOutputs: true});
      await rm(file);
      if (!result.ok) throw new Error(result.message);
      return result.rows;
    },
    files: () => readdir(dir),
    close: () => rm(dir, {recursive: true, force: true}),
  };
}

/** The elements of an output. */
export const elementsOf = (rows: readonly OutputRow[], output: string): number[] =>
  rows.flatMap((row) => row[output]!.data.map(Number));
