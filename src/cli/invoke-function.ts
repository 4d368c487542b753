import {toSample} from '../benchmark/sample.ts';
import type {Context} from '../core/driver.ts';
import {ThawError} from '../core/errors.ts';
import type {Json} from '../core/json.ts';
import type {Invocation} from '../core/sample.ts';
import {PHASES} from '../core/sample.ts';
import {formatMs} from '../core/units.ts';
import {carryOutPlan} from './apply-plan.ts';
import {inspectDeployed} from './deployed.ts';
import type {Project, ProjectProvider} from './project.ts';
import type {RequestBody} from './request-body.ts';
import type {Terminal} from './terminal.ts';

/** How much longer than the function's own timeout a caller waits: queueing and a boot come before it. */
export const BOOT_ALLOWANCE_MS = 60_000;

export interface InvokeFunctionRequest {
  readonly project: Project;
  readonly provider: ProjectProvider;
  readonly context: Context;
  readonly terminal: Terminal;
  readonly body: RequestBody;
  readonly cold: boolean;
}

/**
 * Sends one request and shows what came of it.
 *
 * @throws ThawError NOT_DEPLOYED; INVOKE_FAILED if no answer came or it is not a 2xx one
 */
export async function invokeFunction(request: InvokeFunctionRequest): Promise<object> {
  const {project, provider, context, terminal, body, cold} = request;
  const {driver, site} = provider;
  const {view, deployment} = await inspectDeployed(project, provider, context);
  if (cold) await carryOutPlan(view.chill(), {terminal, context, driver, image: null, values: new Map()});

  const timeoutMs = provider.config.settings.timeoutMs + BOOT_ALLOWANCE_MS;
  const answer = await site.invoke(context, deployment, {
    body: body.bytes,
    contentType: 'application/json',
    timeoutMs,
  });
  terminal.resultBytes(answer.body);
  if (answer.body.length > 0 && answer.body.at(-1) !== 0x0a) terminal.result('');
  const {class: startClass, totalMs} = toSample(
    driver.name,
    {index: 0, want: cold ? 'cold' : 'warm'},
    answer,
  );
  terminal.note(terminal.paint.dim(describeAnswer(answer, startClass, totalMs)));
  if (answer.error !== null || answer.status === null || answer.status >= 300) {
    throw invokeFailure(answer, project.config.name, driver.name);
  }
  return {
    schema: 'thaw.invocation/1',
    provider: driver.name,
    class: startClass,
    status: answer.status,
    body: readBody(answer.body),
    totalMs,
    timings: answer.timings,
    evidence: answer.evidence,
  };
}

function describeAnswer({status, evidence}: Invocation, startClass: string, totalMs: number): string {
  const phases = PHASES.flatMap((phase) => {
    const ms = evidence?.phases[phase];
    return ms === undefined ? [] : [`${phase} ${formatMs(ms)}`];
  });
  return [`${status ?? 'no answer'}, ${startClass}, ${formatMs(totalMs)}`, ...phases].join('  ');
}

function invokeFailure(answer: Invocation, name: string, provider: string): ThawError {
  const what = answer.error ? answer.error.message : `status ${answer.status}`;
  const facts = {provider, status: answer.status, body: readBody(answer.body)};
  return new ThawError('INVOKE_FAILED', `${name} on ${provider} answered with ${what}`, facts);
}

/** A body as JSON if it is JSON, else as text. */
function readBody(bytes: Uint8Array): Json {
  const text = Buffer.from(bytes).toString('utf8');
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
