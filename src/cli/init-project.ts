import {basename, relative, resolve} from 'node:path';
import {FUNCTION_NAME_RULE, isFunctionName, toFunctionName} from '../core/names.ts';
import {readModel} from '../model/read.ts';
import {sampleRequest} from '../model/sample.ts';
import {parseName, planScaffold, type ScaffoldPlan} from '../scaffold/plan.ts';
import {listTemplates, readTemplate} from '../scaffold/template.ts';
import {planWrap} from '../scaffold/wrap.ts';
import {findConflicts, writeScaffold} from '../scaffold/write.ts';
import {askChoice, askConfirmation, askText} from './prompts.ts';
import type {Terminal} from './terminal.ts';

/** The answers that flags gave; what is undefined is asked for, or defaulted with `yes`. */
export interface InitRequest {
  readonly dir: string;
  readonly template?: string | undefined;
  readonly model?: string | undefined;
  readonly name?: string | undefined;
  readonly yes: boolean;
  readonly templatesDir: string;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/** Where a project starts from. */
type Start = {readonly template: string} | {readonly model: string};

/** Writes a project and says how to go on. */
export async function initProject(request: InitRequest): Promise<object> {
  const {dir, templatesDir, terminal, signal} = request;
  const target = resolve(dir);
  const start = await chooseStart(request);
  const name = await chooseName(request, target);
  const plan = await planProject(start, name, templatesDir);

  const conflicts = await findConflicts(plan, target);
  if (conflicts.length > 0 && terminal.interactive) {
    await askConfirmation(terminal, `Overwrite ${conflicts.join(', ')} in ${target}?`, '--yes');
  }
  const onConflict = conflicts.length > 0 && terminal.interactive ? 'overwrite' : 'refuse';
  const {written, unchanged} = await writeScaffold(plan, target, {onConflict, signal});

  terminal.note(`${terminal.paint.good('✓')} ${name} in ${target}`);
  for (const path of written) terminal.note(terminal.paint.dim(`  ${path}`));
  terminal.note(nextSteps(target));
  return {schema: 'thaw.init/1', name, dir: target, ...start, written, unchanged};
}

/** Lists the templates, a line each. */
export async function listTemplatesOn(terminal: Terminal, templatesDir: string): Promise<object> {
  const templates = await listTemplates(templatesDir);
  const width = Math.max(...templates.map(({name}) => name.length));
  for (const {name, title, description} of templates) {
    terminal.result(`${name.padEnd(width)}  ${title}: ${description}`);
  }
  return {schema: 'thaw.templates/1', templates};
}

async function chooseStart(request: InitRequest): Promise<Start> {
  const {template, model, yes, templatesDir, terminal} = request;
  if (model !== undefined) return {model: resolve(model)};
  if (template !== undefined) return {template};
  const templates = await listTemplates(templatesDir);
  const [first] = templates;
  if (yes && first) return {template: first.name};
  const own = {value: '', name: 'your own model', description: 'an ONNX file that you have'};
  const choices = templates.map(({name, title, description}) => ({value: name, name: title, description}));
  const chosen = await askChoice(terminal, 'What shall it start from?', '--template NAME or --model FILE', [
    ...choices,
    own,
  ]);
  if (chosen !== '') return {template: chosen};
  const check = (text: string): string | true => (text.trim() === '' ? 'the path of an ONNX file' : true);
  return {model: resolve(await askText(terminal, 'Which ONNX file?', '--model FILE', {initial: '', check}))};
}

async function chooseName({name, yes, terminal}: InitRequest, target: string): Promise<string> {
  if (name !== undefined) return parseName(name);
  const initial = toFunctionName(basename(target));
  if (yes || !terminal.interactive) return initial;
  const check = (text: string): string | true => isFunctionName(text) || FUNCTION_NAME_RULE;
  return askText(terminal, 'What shall the function be called?', '--name NAME', {initial, check});
}

async function planProject(start: Start, name: string, templatesDir: string): Promise<ScaffoldPlan> {
  if ('template' in start) return planScaffold(await readTemplate(templatesDir, start.template), {name});
  const modelInfo = await readModel(start.model);
  return planWrap({name, modelPath: start.model, modelInfo, sampleRequest: sampleRequest(modelInfo)});
}

function nextSteps(target: string): string {
  const cd = relative(process.cwd(), target);
  const steps = ['thaw package', 'thaw deploy local', 'thaw invoke local', 'thaw benchmark local'];
  return ['', 'Next:', ...(cd === '' ? [] : [`cd ${cd}`]), ...steps]
    .map((line, i) => (i > 1 ? `  ${line}` : line))
    .join('\n');
}
