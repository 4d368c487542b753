import type {RunProgram} from '../../../src/python/run.ts';
import type {Tools} from '../../../src/python/tools.ts';

/** What a program that is played by a function gives. */
interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a program is asked. */
export interface Call {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: {readonly [name: string]: string};
}

/** Tools whose programs are played by a function: a CPython 3.11.7 for Linux, unless it is said otherwise. */
export function fakeTools({
  run,
  env = {},
  cacheDir = '',
  onOutput = () => undefined,
}: {
  readonly run: (call: Call) => Promise<Answer>;
  readonly env?: Tools['env'];
  readonly cacheDir?: string;
  readonly onOutput?: (line: string) => void;
}): Tools {
  const asked: RunProgram = async (program, args, {env: own = {}, onLine}) => {
    const answer = await run({program, args, env: own});
    for (const line of `${answer.stdout}\n${answer.stderr}`.split('\n')) if (line !== '') onLine?.(line);
    return {...answer, systemCode: null};
  };
  return {
    run: asked,
    signal: new AbortController().signal,
    programsDir: 'programs',
    env,
    cacheDir,
    onStep: () => undefined,
    onNote: () => undefined,
    onOutput,
    python: {
      command: 'python3',
      executable: '/usr/bin/python3',
      version: '3.11.7',
      implementation: 'CPython',
      machine: 'x86_64',
      system: 'linux',
      siteFolders: [],
      packages: {},
      hasVenv: true,
    },
  };
}
