import {readFile, rm} from 'node:fs/promises';
import {join} from 'node:path';
import type {Config, ModelConfig} from '../config/config.ts';
import {writeWhole} from '../core/disk.ts';
import type {HostOnnxRuntime} from '../core/ports.ts';
import type {Calibration} from '../model/calibration.ts';
import {inspectCpu} from '../model/cpu.ts';
import type {JudgeSettings, Judgement} from '../model/judge.ts';
import type {OpenModel} from '../model/read.ts';
import {renderJudgement, restoreJudgement} from '../model/stored-judgement.ts';
import {verdictKey} from '../model/verdict-key.ts';
import {thawDir} from './project.ts';

export interface JudgeModelRequest {
  readonly config: Config;
  readonly wanted: ModelConfig;
  readonly source: OpenModel;
  readonly calibration: Calibration | null;
  readonly onnxruntime: HostOnnxRuntime;
  readonly packageDir: string;
  readonly signal: AbortSignal;
  readonly onStep: (step: string) => void;
}

/** The measured choice between the forms of a model; measured once, as long as nothing it depends on has changed. */
export async function judgeModel(
  request: JudgeModelRequest,
): Promise<Judgement & {readonly remembered: boolean}> {
  const {config, wanted, source, calibration, onnxruntime, packageDir, signal, onStep} = request;
  const {quantize: mode, objective, accept} = wanted;
  const settings: JudgeSettings = {
    mode,
    objective,
    accept,
    calibration,
    madeFor: 'any',
    shaping: true,
    onnxruntime: onnxruntime.version,
    cpu: await inspectCpu(),
  };
  const key = verdictKey(source.model, settings);
  const dir = thawDir(config);
  const file = join(dir, 'verdict.json');
  const outDir = join(dir, 'model');

  const known = await restoreJudgement(await readFile(file, 'utf8').catch(() => ''), key, dir);
  if (known) return {...known, remembered: true};

  // Mostly a verdict is known, and none of this is needed.
  const [{judge}, {createProbe}] = await Promise.all([
    import('../model/judge.ts'),
    import('../model/probe.ts'),
  ]);
  const probe = createProbe({
    nodePath: process.execPath,
    probeFile: join(packageDir, 'dist', 'runtime', 'probe.cjs'),
    onnxruntimeDir: onnxruntime.dir,
    signal,
  });
  // What an earlier verdict chose is of no use any more.
  await rm(outDir, {recursive: true, force: true});
  const judgement = await judge({...settings, source, outDir, probe, signal, onStep});
  await writeWhole(file, renderJudgement(key, judgement, dir));
  return {...judgement, remembered: false};
}
