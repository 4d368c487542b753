import type {Json} from '../../../core/json.ts';
import type {Change} from '../../../core/plan.ts';

/** What calls the function, as a reader of a plan sees it: what does now, and what shall. */
export interface Between {
  readonly from: readonly Json[];
  readonly to: readonly Json[];
}

/** Gives a step the changes that no step has named yet. */
export type Named = () => readonly Change[];

/** Why what calls the function is deleted with it. */
export const OUTLIVES = 'it outlives the function otherwise';
