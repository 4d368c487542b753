import type {Trigger, Warmth} from '../core/function.ts';
import type {Platform} from '../core/image.ts';
import type {Json} from '../core/json.ts';
import type {Accept, Objective, QuantizeMode} from '../core/model.ts';

/** How a function runs, complete but for what only a provider knows. */
export interface Settings {
  readonly memoryMb: number;
  readonly timeoutMs: number;
  readonly cpu: number | null;
  readonly concurrency: number;
  readonly maxInstances: number;
  readonly warm: Warmth;
  readonly env: {readonly [name: string]: string};
  readonly secrets: {readonly [name: string]: string};
  readonly triggers: readonly Trigger[];
}

/** What thaw.yaml says of one provider. */
export interface ProviderConfig {
  readonly name: string;
  /** The rest of the section: read by the driver. */
  readonly options: Json;
  readonly settings: Settings;
}

/** The user's own code. */
export interface Handler {
  readonly file: string;
  /** What in the file answers, where its name is given; null: what has the usual name. */
  readonly name: string | null;
  readonly language: 'javascript' | 'python';
}

/** How a handler in Python gets what it needs. */
export interface PythonConfig {
  /** The minor version that the image shall have, such as `3.12`; null leaves it to the interpreter. */
  readonly version: string | null;
  /** Where the image's interpreter shall be from. */
  readonly interpreter: 'auto' | 'base' | 'standalone' | 'host';
  /** The file with the packages that it needs; null: the usual one, if there is one. */
  readonly requirements: string | null;
  /** Packages that need not be installed: the base has them. */
  readonly provided: readonly string[];
  /** What an HTTP request becomes for a handler that takes events. */
  readonly event: 'http' | 'direct';
}

/** The model that is served, and what is wanted of it. */
export interface ModelConfig {
  readonly path: string;
  readonly quantize: 'auto' | QuantizeMode;
  readonly calibration: string | null;
  readonly accept: Accept;
  readonly objective: Objective;
}

/** thaw.yaml, valid and complete. Paths are absolute. */
export interface Config {
  readonly schema: 'thaw.config/1';
  readonly file: string;
  readonly dir: string;
  readonly name: string;
  /** Null only where the handler is in Python, and loads a model of its own. */
  readonly model: ModelConfig | null;
  readonly image: {
    /** `auto`, `host` or a reference. */
    readonly base: string;
    readonly platform: Platform;
    /** What the options of providers ask for. */
    readonly labels: {readonly [name: string]: string};
  };
  readonly handler: Handler | null;
  readonly python: PythonConfig;
  /** The provider that a command means when none is named. */
  readonly default: string;
  readonly providers: readonly ProviderConfig[];
}
