import type {Python} from './python.ts';
import type {Running} from './run.ts';

/** What work with a Python takes. */
export interface Tools extends Running {
  readonly python: Python;
  /** The folder with thaw's own programs for Python. */
  readonly programsDir: string;
  /** thaw's own environment, which has what the user has set for uv and pip. */
  readonly env: {readonly [name: string]: string | undefined};
  readonly cacheDir: string;
}
