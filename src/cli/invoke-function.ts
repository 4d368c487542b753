import {toSample} from '../benchmark/sample.ts';
import type {Context} from '../core/driver.ts';
import type {Deployment} from '../core/deployment.ts';
import {ThawError} from '../core/errors.ts';
import type {Json} from '../core/json.ts';
import type {Invocation} from '../core/sample.ts';
import {PHASES} from '../core/sample.ts';
import {formatMs} from '../core/units.ts';
import {carryOutPlan} from './apply-plan.ts';
import {openColdStarts, type ColdStarts} from './cold-starts.ts';
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
  const {project, provider, terminal, cold} = request;
  const {driver} = provider;
  const {deployment} = await inspectDeployed(project, provider, request.context);
  const answer = cold ? await askCold(request, deployment) : await ask(request, deployment);
  const {body: bytes} = answer;
  terminal.resultBytes(bytes);
  if (bytes.length > 0 && bytes.at(-1) !== 0x0a) terminal.result('');
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

const ask = ({provider, context, body}: InvokeFunctionRequest, deployment: Deployment): Promise<Invocation> =>
  provider.site.invoke(context, deployment, {
    body: body.bytes,
    contentType: 'application/json',
    timeoutMs: provider.config.settings.timeoutMs + BOOT_ALLOWANCE_MS,
  });

/** Asks what was made cold, and deletes it, whatever came of that. */
async function askCold(request: InvokeFunctionRequest, deployment: Deployment): Promise<Invocation> {
  const {project, provider, context, terminal} = request;
  const {driver, site} = provider;
  const starts = openColdStarts({
    site,
    fn: {name: project.config.name},
    context,
    deployment,
    apply: (plan, context) => carryOutPlan(plan, {terminal, context, driver, image: null, values: new Map()}),
  });
  try {
    await starts.chill();
    return await ask(request, starts.asked());
  } finally {
    await tidyUp(starts, request);
  }
}

async function tidyUp(starts: ColdStarts, {provider, terminal}: InvokeFunctionRequest): Promise<void> {
  const problem = await starts.tidy();
  if (problem !== null) terminal.warning(leftBehind(provider.driver.name, problem));
}

/** What a cold start was made of is still there, and why. */
export const leftBehind = (provider: string, {message}: Error): string =>
  `what cold starts were made of on ${provider} could not be deleted: ${message}; the next cold start, deploy or destroy deletes it`;

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
