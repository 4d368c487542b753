import {basename, relative, resolve} from 'node:path';
import {FUNCTION_NAME_RULE, isFunctionName, toFunctionName} from '../core/names.ts';
import {readModel} from '../model/read.ts';
import {sampleRequest} from '../model/sample.ts';
import {parseName, planScaffold, type ScaffoldPlan} from '../scaffold/plan.ts';
import {listTemplates, readTemplate} from '../scaffold/template.ts';
import {planWrap} from '../scaffold/wrap.ts';
import {findConflicts, writeScaffold} from '../scaffold/write.ts';
import {planHandlerProject, tellHandler, withoutOwnFiles, type HandlerProject} from './init-handler.ts';
import {askChoice, askConfirmation, askText} from './prompts.ts';
import type {Terminal} from './terminal.ts';

/** The answers that flags gave; what is undefined is asked for, or defaulted with `yes`. */
export interface InitRequest {
  readonly dir: string;
  readonly template?: string | undefined;
  readonly model?: string | undefined;
  readonly handler?: string | undefined;
  /** The Python that reads the handler. */
  readonly python: string | null;
  readonly name?: string | undefined;
  readonly yes: boolean;
  readonly templatesDir: string;
  /** Where thaw's Python programs lie. */
  readonly programsDir: string;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/** Where a project starts from. */
type Start =
  | {readonly template: string}
  | {readonly model: string}
  | {readonly handler: string; readonly model?: string};

/** What `--yes` takes where nothing was given: the one that needs nothing but thaw. */
const DEFAULT_TEMPLATE = 'tabular';

/** Writes a project and says how to go on. */
export async function initProject(request: InitRequest): Promise<object> {
  const {dir, terminal, signal} = request;
  const target = resolve(dir);
  const start = await chooseStart(request);
  const name = await chooseName(request, target);
  const {plan, handler, kept} = await planProject(start, name, target, request);

  const conflicts = await findConflicts(plan, target);
  if (conflicts.length > 0 && terminal.interactive) {
    await askConfirmation(terminal, `Overwrite ${conflicts.join(', ')} in ${target}?`, '--yes');
  }
  const onConflict = conflicts.length > 0 && terminal.interactive ? 'overwrite' : 'refuse';
  const {written, unchanged} = await writeScaffold(plan, target, {onConflict, signal});

  terminal.note(`${terminal.paint.good('✓')} ${name} in ${target}`);
  for (const path of written) terminal.note(terminal.paint.dim(`  ${path}`));
  if (handler !== null) tellHandler(handler, written.includes('samples/request.json'), terminal);
  terminal.note(nextSteps(target));
  return {
    schema: 'thaw.init/1',
    name,
    dir: target,
    ...start,
    ...(handler && describeHandler(handler)),
    written,
    unchanged,
    ...(handler && {kept}),
  };
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

/** What was found in a handler, for programs. */
function describeHandler({python, inspection, listed}: HandlerProject): object {
  const {serving, event, packages, absent} = inspection;
  return {
    python: {command: python.command, version: python.version},
    serving: {name: serving.name, kind: serving.kind, event},
    requirements: listed?.file ?? 'requirements.txt',
    packages,
    absent,
  };
}

async function chooseStart(request: InitRequest): Promise<Start> {
  const {template, model, handler, yes, templatesDir, terminal} = request;
  if (handler !== undefined) return {handler, ...(model !== undefined && {model: resolve(model)})};
  if (model !== undefined) return {model: resolve(model)};
  if (template !== undefined) return {template};
  const templates = await listTemplates(templatesDir);
  if (yes) return {template: DEFAULT_TEMPLATE};
  const chosen = await askChoice(terminal, 'What shall it start from?', START_FLAGS, [
    ...templates.map(({name, title, description}) => ({value: name, name: title, description})),
    {value: OWN_MODEL, name: 'your own model', description: 'an ONNX file that you have'},
    {
      value: OWN_HANDLER,
      name: 'your own Python handler',
      description: 'a file that serves a model somewhere',
    },
  ]);
  if (chosen === OWN_MODEL) return {model: resolve(await askPath(terminal, 'Which ONNX file?', '--model'))};
  if (chosen === OWN_HANDLER) return {handler: await askPath(terminal, 'Which Python file?', '--handler')};
  return {template: chosen};
}

const START_FLAGS = '--template NAME, --model FILE or --handler FILE';
/** What no template is called. */
const OWN_MODEL = ':model';
const OWN_HANDLER = ':handler';

async function askPath(terminal: Terminal, question: string, flag: string): Promise<string> {
  const check = (text: string): string | true => (text.trim() === '' ? 'the path of a file' : true);
  return askText(terminal, question, `${flag} FILE`, {initial: '', check});
}

async function chooseName({name, yes, terminal}: InitRequest, target: string): Promise<string> {
  if (name !== undefined) return parseName(name);
  const initial = toFunctionName(basename(target));
  if (yes || !terminal.interactive) return initial;
  const check = (text: string): string | true => isFunctionName(text) || FUNCTION_NAME_RULE;
  return askText(terminal, 'What shall the function be called?', '--name NAME', {initial, check});
}

/** What is to be written, and what of it is left as the user has it. */
interface PlannedProject {
  readonly plan: ScaffoldPlan;
  readonly handler: HandlerProject | null;
  readonly kept: readonly string[];
}

async function planProject(
  start: Start,
  name: string,
  target: string,
  {templatesDir, python, programsDir, signal}: InitRequest,
): Promise<PlannedProject> {
  if ('handler' in start) {
    const around = {model: null, ...start, name, target, python, programsDir, signal};
    const handler = await planHandlerProject(around);
    const rest = handler.inPlace
      ? await withoutOwnFiles(handler.plan, target)
      : {plan: handler.plan, kept: []};
    return {...rest, handler};
  }
  const plan =
    'template' in start
      ? planScaffold(await readTemplate(templatesDir, start.template), {name})
      : await planModelProject(start.model, name);
  return {plan, handler: null, kept: []};
}

async function planModelProject(modelPath: string, name: string): Promise<ScaffoldPlan> {
  const modelInfo = await readModel(modelPath);
  return planWrap({name, modelPath, modelInfo, sampleRequest: sampleRequest(modelInfo)});
}

function nextSteps(target: string): string {
  const cd = relative(process.cwd(), target);
  const steps = ['thaw package', 'thaw deploy local', 'thaw invoke local', 'thaw benchmark local'];
  return ['', 'Next:', ...(cd === '' ? [] : [`cd ${cd}`]), ...steps]
    .map((line, i) => (i > 1 ? `  ${line}` : line))
    .join('\n');
}
