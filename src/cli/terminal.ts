import {Ansis} from 'ansis';

/** Colours by what they mean. */
export interface Paint {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly accent: (text: string) => string;
}

/** What a command's flags say of its output. */
export interface TerminalOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly color: boolean;
}

/**
 * The one way out for text. Standard output carries the result that another program may read; everything that is
 * for a person goes to standard error. Secret values that have been named are replaced on both.
 */
export class Terminal {
  readonly options: TerminalOptions;
  readonly paint: Paint;
  readonly interactive: boolean;
  readonly width: number;
  #redact: (text: string) => string = (text) => text;

  constructor(options: TerminalOptions) {
    this.options = options;
    this.paint = paintFor(options.color);
    this.interactive = process.stdin.isTTY && process.stderr.isTTY && !options.json && !process.env['CI'];
    this.width = process.stderr.columns ?? process.stdout.columns ?? 80;
  }

  /** From now on these values never come out. */
  redactWith(redact: (text: string) => string): void {
    this.#redact = redact;
  }

  /** One for steps that are told of in another way: it gives warnings alone. */
  muted(): Terminal {
    const muted = new Terminal({...this.options, json: true, quiet: true, verbose: false});
    muted.redactWith((text) => this.#redact(text));
    return muted;
  }

  /** A line of the command's result. */
  result(text: string): void {
    if (!this.options.json) process.stdout.write(`${this.#redact(text)}\n`);
  }

  /** The command's result as bytes, as they are. */
  resultBytes(bytes: Uint8Array): void {
    if (!this.options.json) process.stdout.write(bytes);
  }

  /** The one document of `--json`, or one of its lines where the command streams. */
  document(value: object, {indent = 2}: {readonly indent?: number} = {}): void {
    process.stdout.write(`${this.#redact(JSON.stringify(value, null, indent))}\n`);
  }

  /** Something a person may want to know. */
  note(text: string): void {
    if (!this.options.quiet && !this.options.json) process.stderr.write(`${this.#redact(text)}\n`);
  }

  /** Detail that is shown only when asked for. */
  detail(text: string): void {
    if (this.options.verbose) process.stderr.write(`${this.#redact(this.paint.dim(text))}\n`);
  }

  /** Something a person should know, also when quiet. */
  warning(text: string): void {
    process.stderr.write(`${this.paint.warn('!')} ${this.#redact(text)}\n`);
  }

  /** Shown whatever the flags say. */
  failure(text: string): void {
    process.stderr.write(this.#redact(text));
  }
}

function paintFor(color: boolean): Paint {
  // Level 0 turns colours off; otherwise ansis reads the terminal, NO_COLOR, FORCE_COLOR and CI itself.
  const ansis = color ? new Ansis() : new Ansis(0);
  return {
    bold: (text) => ansis.bold(text),
    dim: (text) => ansis.dim(text),
    good: (text) => ansis.green(text),
    bad: (text) => ansis.red(text),
    warn: (text) => ansis.yellow(text),
    accent: (text) => ansis.cyan(text),
  };
}
