import type {ImageRuntime} from '../core/image.ts';
import type {LayerPlan} from './layer.ts';

/** What an image brings along to run a handler with. */
export interface RuntimeParts {
  readonly record: ImageRuntime;
  /** The program that is started and its arguments, absolute inside the image. */
  readonly entrypoint: readonly string[];
  /** Folders that come first in `PATH`. */
  readonly path: readonly string[];
  /** Variables that stand above the base's. */
  readonly env: {readonly [name: string]: string};
  /** The rarely changing first. */
  readonly layers: readonly LayerPlan[];
}
