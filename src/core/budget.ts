/** What a budget may be set for. `restored`: starts from a snapshot. `unknown`: answers without evidence, of endpoints that give none. */
export const BUDGET_GROUPS = ['cold', 'warm', 'restored', 'unknown', 'load'] as const;
export type BudgetGroup = (typeof BUDGET_GROUPS)[number];

export const BUDGET_MEASURES = [
  'p50',
  'p90',
  'p95',
  'p99',
  'p999',
  'min',
  'max',
  'mean',
  'failures',
] as const;
export type BudgetMeasure = (typeof BUDGET_MEASURES)[number];

/** The most that something may come to. */
export interface Budget {
  /** As it was written: `cold.p95=800ms`. */
  readonly text: string;
  readonly group: BudgetGroup;
  readonly measure: BudgetMeasure;
  /** Milliseconds; of failures how many, or what share of the shots. */
  readonly limit: number;
  readonly unit: 'ms' | 'count' | 'share';
}

/** Whether a provider kept to a budget. */
export interface BudgetVerdict {
  readonly provider: string;
  readonly budget: Budget;
  readonly verdict: 'within' | 'exceeded' | 'cannot-tell';
  /** Whether the 95 % bounds say so too, and not the estimate alone. */
  readonly certain: boolean;
  /** In the budget's unit; null where it was not measured or is beyond all measure (a failed request). */
  readonly actual: number | null;
  /** In one clause: what the verdict rests on. */
  readonly why: string;
}
