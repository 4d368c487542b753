import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {JsonObject} from '../../../src/core/json.ts';
import type {Row} from '../../../src/model/calibration.ts';
import type {OutputRow} from '../../../src/model/drift.ts';
import type {ModelProto} from '../../../src/model/onnx.ts';
import {createProbe} from '../../../src/model/probe.ts';
import {RUNTIME_DIR} from '../../instance.ts';
import {hostOrt} from '../../onnxruntime.ts';
import {bytesOf} from './build-model.ts';

/** Runs models in ONNX Runtime, each in a process of its own. */
export interface Runner {
  readonly dir: string;
  /** Runs a model that is given as a message, or the file of one. */
  run(model: ModelProto | string, rows: readonly Row[], session?: JsonObject): Promise<readonly OutputRow[]>;
  close(): Promise<void>;
}

/** Makes a runner with a folder of its own. */
export async function openRunner(): Promise<Runner> {
  const dir = await mkdtemp(join(tmpdir(), 'thaw-run-'));
  const probe = createProbe({
    nodePath: process.execPath,
    probeFile: join(RUNTIME_DIR, 'probe.cjs'),
    onnxruntimeDir: (await hostOrt()).dir,
    signal: new AbortController().signal,
  });
  return {
    dir,
    async run(model, rows, session = {}) {
      const file = typeof model === 'string' ? model : join(dir, 'model.onnx');
      if (typeof model !== 'string') await writeFile(file, bytesOf(model));
      const result = await probe({model: file, session, rows, warmCalls: 0, wantOutputs: true});
      if (!result.ok) throw new Error(result.message);
      return result.rows;
    },
    close: () => rm(dir, {recursive: true, force: true}),
  };
}
