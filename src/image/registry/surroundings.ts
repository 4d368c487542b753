import {homedir} from 'node:os';

/** What of the machine decides how registries are reached: its variables, and the user's own folder. */
export interface Surroundings {
  readonly env: NodeJS.ProcessEnv;
  readonly homeDir: string;
}

/** Those of this process. */
export function ownSurroundings(): Surroundings {
  return {env: process.env, homeDir: homedir()};
}
