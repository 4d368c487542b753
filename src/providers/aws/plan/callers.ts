import type {Json, JsonObject} from '../../../core/json.ts';

/** What calls the function, each by its name with what is said of it, as a reader of a plan sees it. */
export type Callers = {readonly [name: string]: Json};

/** What calls the function now, and what shall. */
export interface Between {
  readonly from: Callers;
  readonly to: Callers;
}

/** A caller of which nothing is to be said but that it is there. */
export const saidOf = (options: JsonObject): Json => (Object.keys(options).length === 0 ? true : options);

/** Why what calls the function is deleted with it. */
export const OUTLIVES = 'it outlives the function otherwise';
