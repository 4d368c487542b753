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

/** thaw.yaml, valid and complete. Paths are absolute. */
export interface Config {
  readonly schema: 'thaw.config/1';
  readonly file: string;
  readonly dir: string;
  readonly name: string;
  readonly model: {
    readonly path: string;
    readonly quantize: 'auto' | QuantizeMode;
    readonly calibration: string | null;
    readonly accept: Accept;
    readonly objective: Objective;
  };
  readonly image: {
    /** `auto`, `host` or a reference. */
    readonly base: string;
    readonly platform: Platform;
  };
  readonly handler: string | null;
  /** The provider that a command means when none is named. */
  readonly default: string;
  readonly providers: readonly ProviderConfig[];
}
