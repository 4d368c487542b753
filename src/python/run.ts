/** Runs a program to its end, with whatever exit code; `onLine` is told each line that it writes, on either stream. */
export type RunProgram = (
  program: string,
  args: readonly string[],
  options: {
    readonly signal: AbortSignal;
    readonly input?: AsyncIterable<Uint8Array>;
    readonly timeoutMs?: number;
    readonly env?: {readonly [name: string]: string};
    /** The folder that it runs in; this process's own by default. */
    readonly cwd?: string;
    readonly onLine?: (line: string) => void;
  },
) => Promise<{
  /** Null if it was ended by a signal, or never ran. */
  readonly exitCode: number | null;
  readonly systemCode: string | null;
  readonly stdout: string;
  readonly stderr: string;
}>;

/** What a longer piece of work by the user's programs is done with. */
export interface Running {
  readonly run: RunProgram;
  readonly signal: AbortSignal;
  /** Told what is being done just now. */
  readonly onStep: (step: string) => void;
  /** Told what is worth knowing when all is done. */
  readonly onNote: (note: string) => void;
  /** Told what programs and libraries print. */
  readonly onOutput: (line: string) => void;
}
