import type {Json, JsonObject} from '../core/json.ts';
import type {Shape} from '../core/model.ts';

/** What every model is loaded with where nothing else is said. */
export const PLAIN_SESSION: JsonObject = {graphOptimizationLevel: 'all'};

/** The session options of a form in a shape. The form's own win: without them it is not what it is meant to be. */
export function sessionOptions(form: JsonObject, shape: Shape): JsonObject {
  const level = shape.weights === 'ahead' ? 'disabled' : 'all';
  const shaped: JsonObject = {
    graphOptimizationLevel: level,
    ...(shape.threads !== null && {intraOpNumThreads: shape.threads}),
    ...(!shape.prepacking && {extra: {session: {disable_prepacking: '1'}}}),
  };
  return merge(shaped, form);
}

/** Two trees of options as one; where both name a value, the second's counts. */
export function merge(under: JsonObject, over: JsonObject): JsonObject {
  const members = Object.entries(over).map(([key, value]): [string, Json] => {
    const below = under[key];
    return [key, isTree(below) && isTree(value) ? merge(below, value) : value];
  });
  return {...under, ...Object.fromEntries(members)};
}

const isTree = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
