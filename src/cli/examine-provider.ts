import type {Context} from '../core/driver.ts';
import type {ProjectProvider} from './project.ts';
import type {Paint} from './terminal.ts';

/** What one look of `thaw doctor` came to. */
export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
  /** What to do about it; null if nothing has to be done. */
  readonly remedy: string | null;
}

/** Looks at all that has to be so for a function to run at a provider, one thing after the other. */
export async function examineProvider(
  {site}: Pick<ProjectProvider, 'site'>,
  name: string,
  context: Context,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const check of site.checks({name})) {
    findings.push({name: check.name, ...(await check.check(context))});
  }
  return findings;
}

/** The findings of one provider, for a terminal. */
export function renderFindings(provider: string, findings: readonly Finding[], paint: Paint): string {
  const lines = findings.flatMap(({name, ok, found, remedy}) => [
    `  ${ok ? paint.good('✓') : paint.bad('✗')} ${name}: ${found}`,
    ...(remedy === null ? [] : [`    ${remedy}`]),
  ]);
  return [paint.bold(provider), ...lines].join('\n');
}
