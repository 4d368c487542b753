import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import type {Config} from '../config/config.ts';
import {writeWhole} from '../core/disk.ts';
import type {Digest} from '../core/digest.ts';
import type {Verdict} from '../core/model.ts';
import type {HostOnnxRuntime} from '../core/ports.ts';
import type {Calibration} from '../model/calibration.ts';
import {inspectCpu} from '../model/cpu.ts';
import {judge, restoreChosen, verdictKey, type JudgeSettings, type Judgement} from '../model/judge.ts';
import {createProbe} from '../model/probe.ts';
import type {OpenModel} from '../model/read.ts';
import {thawDir} from './project.ts';

export interface JudgeModelRequest {
  readonly config: Config;
  readonly source: OpenModel;
  readonly calibration: Calibration | null;
  readonly onnxruntime: HostOnnxRuntime;
  readonly packageDir: string;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

/** The measured choice between the forms of a model; measured once, as long as nothing it depends on has changed. */
export async function judgeModel(
  request: JudgeModelRequest,
): Promise<Judgement & {readonly remembered: boolean}> {
  const {config, source, calibration, onnxruntime, packageDir, signal, onProgress} = request;
  const {quantize: mode, objective, accept} = config.model;
  const cpu = await inspectCpu();
  const settings: JudgeSettings = {
    mode,
    objective,
    accept,
    calibration,
    onnxruntime: onnxruntime.version,
    cpu,
  };
  const key = verdictKey(source.model, settings);
  const file = join(thawDir(config), 'verdict.json');
  const outDir = join(thawDir(config), 'model');

  const known = await readVerdict(file, key);
  const restored = known && (await restoreChosen(known, source, outDir, signal));
  if (known && restored) return {verdict: known, chosen: restored, remembered: true};

  const probe = createProbe({
    nodePath: process.execPath,
    probeFile: join(packageDir, 'dist', 'runtime', 'probe.cjs'),
    onnxruntimeDir: onnxruntime.dir,
    signal,
  });
  const judgement = await judge({...settings, source, outDir, probe, signal, onProgress});
  await writeWhole(file, `${JSON.stringify({key, verdict: judgement.verdict}, null, 2)}\n`);
  return {...judgement, remembered: false};
}

/** A stored verdict, if it was reached under the same circumstances. What cannot be read is measured again. */
async function readVerdict(file: string, key: Digest): Promise<Verdict | null> {
  try {
    const stored = JSON.parse(await readFile(file, 'utf8')) as {key: Digest; verdict: Verdict};
    return stored.key === key ? stored.verdict : null;
  } catch {
    return null;
  }
}
