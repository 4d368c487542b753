import type {BudgetVerdict} from '../core/budget.ts';
import {formatMs} from '../core/units.ts';
import type {Screen} from './screen.ts';

/** A screen that can also show what is bad. */
export interface BudgetScreen extends Pick<Screen, 'unicode'> {
  readonly paint: Screen['paint'] & {readonly bad: (text: string) => string};
}

/** One line for each budget at each provider: kept, exceeded, or not to be told, and what that rests on. */
export function renderBudgets(verdicts: readonly BudgetVerdict[], {unicode, paint}: BudgetScreen): string {
  const looks = {
    within: {sign: unicode ? '✓' : 'ok', paint: paint.good},
    exceeded: {sign: unicode ? '✗' : 'x', paint: paint.bad},
    'cannot-tell': {sign: '?', paint: paint.warn},
  };
  return verdicts
    .map((verdict) => {
      const {sign, paint: colour} = looks[verdict.verdict];
      return `${colour(sign)} ${verdict.provider} ${colour(sentenceOf(verdict))} ${paint.dim(`(${verdict.why})`)}\n`;
    })
    .join('');
}

/** The same as a Markdown list, for a pull request; empty without budgets. */
export function renderBudgetsMarkdown(verdicts: readonly BudgetVerdict[]): string {
  const signs = {within: '✅', exceeded: '❌', 'cannot-tell': '❔'};
  return verdicts
    .map((verdict) => {
      const text = `${verdict.provider} ${sentenceOf(verdict)} (${verdict.why})`;
      return `- ${signs[verdict.verdict]} ${text.replaceAll(/[\\`*_[\]<>|]/g, String.raw`\$&`)}\n`;
    })
    .join('');
}

function sentenceOf({budget, verdict, certain, actual}: BudgetVerdict): string {
  const {text} = budget;
  if (verdict === 'cannot-tell') return `${text}: cannot tell`;
  const outcome = verdict === 'within' ? 'kept' : 'exceeded';
  const measured =
    actual === null ? 'not every request was answered well' : renderAmount(actual, budget.unit);
  // The other bound lies on the other side of the limit: another run may come out otherwise.
  const doubt = certain || budget.unit !== 'ms' || !/^p\d+$/.test(budget.measure) ? '' : ', but only just';
  return `${text}: ${outcome}, ${measured}${doubt}`;
}

function renderAmount(actual: number, unit: BudgetVerdict['budget']['unit']): string {
  if (unit === 'ms') return formatMs(actual);
  return unit === 'count' ? String(actual) : `${Number((actual * 100).toPrecision(3))} %`;
}
