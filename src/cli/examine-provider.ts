import {functionNeeds} from '../config/function.ts';
import type {Context} from '../core/driver.ts';
import {ThawError} from '../core/errors.ts';
import type {JsonObject} from '../core/json.ts';
import type {Project, ProjectProvider} from './project.ts';
import {renderJson} from './render-json.ts';
import type {Paint} from './terminal.ts';

/** What one look of `thaw doctor` came to. */
export type Finding = {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
  /** What to do about it; null if nothing has to be done. Of what is well, too: something to know. */
  readonly remedy: string | null;
};

/** Looks at all that has to be so for a function to run at a provider, one thing after the other. */
export async function examineProvider(
  {config}: Project,
  provider: ProjectProvider,
  context: Context,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const check of provider.site.checks(functionNeeds(config, provider.config))) {
    findings.push({name: check.name, ...(await check.check(context))});
  }
  return findings;
}

/** A policy, and whose provider takes it. */
export interface ProviderPolicy {
  readonly provider: string;
  readonly policy: JsonObject;
}

/** The least that thaw must be allowed to do at each provider where something has to be allowed. */
export async function readPolicies(
  {config}: Project,
  providers: readonly ProjectProvider[],
  context: Context,
): Promise<readonly ProviderPolicy[]> {
  const policies: ProviderPolicy[] = [];
  for (const provider of providers) {
    const policy = await provider.site.policy(context, functionNeeds(config, provider.config));
    if (policy !== null) policies.push({provider: provider.driver.name, policy});
  }
  return policies;
}

/**
 * The policy of one provider.
 *
 * @throws ThawError USAGE if there is none, or more than one
 */
export function onePolicy(policies: readonly ProviderPolicy[], asked: readonly string[]): ProviderPolicy {
  const [only, ...more] = policies;
  if (only === undefined) {
    throw new ThawError('USAGE', `nothing has to be allowed to deploy to ${asked.join(', ')}`, {});
  }
  if (more.length === 0) return only;
  const names = policies.map(({provider}) => provider).join(', ');
  throw new ThawError('USAGE', `each of ${names} has a policy of its own: name one provider`, {});
}

/**
 * The findings of one provider, for a terminal.
 *
 * @param chars of a line; longer ones go on below
 */
export function renderFindings(
  provider: string,
  findings: readonly Finding[],
  paint: Paint,
  chars = Infinity,
): string {
  const lines = findings.flatMap(({name, ok, found, remedy}) => {
    const mark = !ok ? paint.bad('✗') : remedy === null ? paint.good('✓') : paint.warn('!');
    const [first = '', ...more] = found.split('\n');
    return [
      `  ${mark} ${breakLines(`${name}: ${first}`, 4, chars)}`,
      ...more.map((line) => `    ${breakLines(line, 6, chars)}`),
      ...(remedy === null ? [] : [`    ${paint.accent('→')} ${breakLines(remedy, 6, chars)}`]),
    ];
  });
  return [paint.bold(provider), ...lines].join('\n');
}

/** Breaks a line between words, if there are too many of them; each further line is indented. */
function breakLines(text: string, indent: number, chars: number): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    const fits = line !== undefined && indent + line.length + 1 + word.length <= chars;
    if (fits) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.join(`\n${' '.repeat(indent)}`);
}

/** A policy, for a terminal, to be copied from there as well. */
export const renderPolicy = ({provider, policy}: ProviderPolicy, name: string, paint: Paint): string =>
  `${paint.bold(`The least that thaw must be allowed to do on ${provider} for ${name}`)}\n${renderJson(policy)}`;
