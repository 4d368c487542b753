import {mkdir, readFile, rm} from 'node:fs/promises';
import {basename, extname, join} from 'node:path';
import {unfinishedName, writeFailure} from '../core/disk.ts';
import type {JsonObject} from '../core/json.ts';
import type {Accept, Objective, Shape, Shaping} from '../core/model.ts';
import type {Row} from './calibration.ts';
import type {CandidateFile, CandidateOnDisk, ModelOnDisk} from './candidate.ts';
import {writeModel} from './candidate.ts';
import {chooseShape, describeShape, planShapes, renderShapeReason} from './choose-shape.ts';
import {measureDrift, outsideAccept} from './drift.ts';
import type {OutputRow} from './drift.ts';
import type {Probe} from './probe.ts';
import {decodeModel} from './onnx.ts';
import {openModel} from './read.ts';
import {merge, sessionOptions} from './session-options.ts';
import {timeInTurns} from './timing.ts';
import type {Contender, Effort} from './timing.ts';

/** Loading a model in another way may round differently, and no more than that. */
const SHAPE_ACCEPT: Accept = {cosine: 0.9999, nsr: 1e-4, top1Drop: 0.005};

/** A file optimized ahead may hold more constants; beyond this share it costs more than it saves. */
const GROWTH_MAX = 1.6;

export interface ShapeRequest {
  readonly form: CandidateOnDisk;
  readonly objective: Objective;
  /** Whether it is known to be many times slower without, beside what its own options say. */
  readonly needsPrepacking: boolean;
  readonly rows: readonly Row[];
  readonly effort: Effort;
  /** Of the machine that measures: with one core there is but one thread anyhow. */
  readonly cores: number;
  readonly probe: Probe;
  readonly outDir: string;
  readonly signal: AbortSignal;
  readonly onStep: (step: string) => void;
}

/** A form in the shape to serve it in. */
export interface Shaped {
  readonly shapings: readonly Shaping[];
  readonly shape: Shape;
  readonly why: string;
  readonly files: readonly CandidateFile[];
  readonly digest: CandidateOnDisk['digest'];
  readonly bytes: number;
  readonly session: JsonObject;
}

/** A shape that was made: its files, or why there are none. */
interface Made {
  readonly shape: Shape;
  readonly onDisk: ModelOnDisk | null;
  readonly session: JsonObject;
  failure: string | null;
}

/**
 * Measures ways to lay out and load a form, and chooses. Each must give the same outputs as the plain one. The
 * chosen way's files stay on disk, those of the others are removed.
 *
 * @throws ThawError DISK_FULL, PERMISSION_DENIED, RUNTIME_UNAVAILABLE, INTERRUPTED
 */
export async function shapeForm(request: ShapeRequest): Promise<Shaped> {
  const {form, objective, effort, cores} = request;
  const isMapped = form.files.length > 1;
  const needsPrepacking = request.needsPrepacking || wantsPrepacking(form.session);
  const unfolds = form.mode === 'weights' || form.mode === 'fp16';
  const shapes = planShapes({isMapped, needsPrepacking, unfolds, objective});
  const made: Made[] = [];
  let kept: readonly CandidateFile[] = [];
  try {
    await makeShapes(request, shapes, made);
    await compareOutputs(request, made);
    let shapings = await timeShapes(request, made, effort);
    let place = chooseShape(shapings, objective);
    if (cores > 1 && made[place]!.failure === null) {
      const best = made[place]!;
      const single = {...best, shape: {...best.shape, threads: 1}};
      made.splice(place + 1, 0, {...single, session: sessionOptions(form.session, single.shape)});
      const rivals = await timeShapes(request, [best, made[place + 1]!], effort);
      shapings = shapings.toSpliced(place, 1, ...rivals);
      place = chooseShape(shapings, objective);
    }
    if (made[place]!.shape.weights === 'ahead' && !(await comesOutAgain(request, made[place]!))) {
      shapings = shapings.map((shaping) =>
        shaping.shape.weights === 'ahead' ? {...shaping, failure: UNSTABLE, times: null} : shaping,
      );
      place = chooseShape(shapings, objective);
    }
    const {shape, onDisk, session} = made[place]!;
    const {files, digest, bytes} = onDisk ?? form;
    kept = files;
    return {shapings, shape, why: renderShapeReason(shapings, place), files, digest, bytes, session};
  } finally {
    const own = new Set([...form.files, ...kept].map(({file}) => file));
    const files = new Set(made.flatMap(({onDisk}) => onDisk?.files ?? []).map(({file}) => file));
    for (const file of files) if (!own.has(file)) await rm(file, {force: true});
  }
}

/** Whether a form's own options insist on prepacking. */
function wantsPrepacking(session: JsonObject): boolean {
  const {extra} = merge({extra: {session: {disable_prepacking: '1'}}}, session) as {
    readonly extra: {readonly session: JsonObject};
  };
  return extra.session['disable_prepacking'] !== '1';
}

const UNSTABLE = 'ONNX Runtime does not write it the same way twice';

/** Writes each layout once; shapes that differ in options only share it. */
async function makeShapes(request: ShapeRequest, shapes: readonly Shape[], made: Made[]): Promise<void> {
  const {form, onStep} = request;
  const layouts = new Map<Shape['weights'], ModelOnDisk | {readonly failure: string}>();
  layouts.set(shapes[0]!.weights, form);
  for (const shape of shapes) {
    let layout = layouts.get(shape.weights);
    if (!layout) {
      onStep(`making it ${describeShape(shape)}`);
      layout = shape.weights === 'ahead' ? await writeAhead(request) : await writeMapped(request);
      layouts.set(shape.weights, layout);
    }
    const failure = 'failure' in layout ? layout.failure : null;
    const onDisk = 'failure' in layout ? null : layout;
    made.push({shape, onDisk, session: sessionOptions(form.session, shape), failure});
  }
}

async function writeMapped({form, outDir, signal}: ShapeRequest): Promise<ModelOnDisk> {
  const {path, proto} = await openModel(form.files[0]!.file, signal);
  return writeModel(proto, path, join(outDir, `${nameOf(form)}.mapped.onnx`), signal, 0);
}

/**
 * Lets ONNX Runtime optimize the graph, up to the level whose result is right on every CPU, and writes it with its
 * weights outside.
 */
async function writeAhead(
  {form, probe, rows, signal, outDir}: ShapeRequest,
  dir = outDir,
): Promise<ModelOnDisk | {readonly failure: string}> {
  const file = join(dir, `${nameOf(form)}.ahead.onnx`);
  const optimized = unfinishedName(file);
  try {
    await mkdir(dir, {recursive: true}).catch(async (error: unknown) => {
      throw await writeFailure(error, dir);
    });
    const saving: JsonObject = {graphOptimizationLevel: 'extended', optimizedModelFilePath: optimized};
    const session = merge(saving, form.session);
    const model = form.files[0]!.file;
    const result = await probe({model, session, rows: rows.slice(0, 1), warmCalls: 0, wantOutputs: false});
    if (!result.ok) return {failure: result.message};
    // What lay outside of the model it has left where it was, and says so as the model does.
    const onDisk = await writeModel(decodeModel(await readFile(optimized)), model, file, signal, 0);
    if (onDisk.bytes <= GROWTH_MAX * form.bytes) return onDisk;
    for (const each of onDisk.files) await rm(each.file, {force: true});
    return {failure: `it would take ${Math.round((100 * onDisk.bytes) / form.bytes)} % of the bytes`};
  } finally {
    await rm(optimized, {force: true});
  }
}

/** An image is the same from the same project: so what goes into it must come out the same each time. */
async function comesOutAgain(request: ShapeRequest, {onDisk}: Made): Promise<boolean> {
  const dir = join(request.outDir, 'again');
  try {
    const again = await writeAhead(request, dir);
    return !('failure' in again) && again.digest === onDisk?.digest;
  } finally {
    await rm(dir, {recursive: true, force: true});
  }
}

const nameOf = ({files}: CandidateOnDisk): string => basename(files[0]!.path, extname(files[0]!.path));

/** Rules out what changes the outputs on some of the rows, or on zeros where there are none. */
async function compareOutputs({rows, probe, onStep}: ShapeRequest, made: readonly Made[]): Promise<void> {
  const outputsOf = async ({onDisk, session}: Made): Promise<readonly OutputRow[] | string> => {
    const model = onDisk!.files[0]!.file;
    const result = await probe({
      model,
      session,
      rows: rows.slice(0, ROWS_COMPARED),
      warmCalls: 0,
      wantOutputs: true,
    });
    return result.ok ? result.rows : result.message;
  };
  onStep('comparing ways to load it');
  const [plain, ...others] = made;
  const reference = await outputsOf(plain!);
  if (typeof reference === 'string') {
    for (const each of made) each.failure ??= reference;
    return;
  }
  for (const each of others) {
    if (each.failure !== null) continue;
    const outputs = await outputsOf(each);
    if (typeof outputs === 'string') {
      each.failure = outputs;
      continue;
    }
    const {drift, broken} = measureDrift(reference, outputs);
    const outside = outsideAccept(drift, SHAPE_ACCEPT);
    each.failure =
      broken ?? (outside.length > 0 ? `it changes what the model says (${outside.join('; ')})` : null);
  }
}

const ROWS_COMPARED = 8;

async function timeShapes(
  {probe, rows, onStep}: ShapeRequest,
  made: readonly Made[],
  effort: Effort,
): Promise<Shaping[]> {
  const contenders = made
    .filter(({failure}) => failure === null)
    .map(({shape, onDisk, session}): Contender => {
      return {name: describeShape(shape), file: onDisk!.files[0]!.file, session};
    });
  const timings = await timeInTurns({
    contenders,
    probe,
    row: rows[0] ?? null,
    effort,
    onRound: (round, rounds) => onStep(`ways to load it, round ${round} of ${rounds}`),
  });
  return made.map(({shape, onDisk, session, failure}) => {
    const timing = timings.get(describeShape(shape));
    return {
      shape,
      bytes: onDisk?.bytes ?? 0,
      session,
      failure: failure ?? (typeof timing === 'string' ? timing : null),
      times: typeof timing === 'object' ? timing : null,
    };
  });
}
