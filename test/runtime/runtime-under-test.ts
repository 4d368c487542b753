import type {RunningServer} from '../instance.ts';

/** A runtime, and how the suites that every runtime must pass get instances of it. */
export interface RuntimeUnderTest {
  /**
   * Lays out an instance folder that serves `linear.onnx` under the name `demo`.
   *
   * @param handler its source, in the runtime's language; null for none
   */
  lay(handler: string | null): Promise<string>;
  /** Starts the server of an instance folder, with nothing but this in its environment, and waits until it is ready. */
  start(instanceDir: string, env: {readonly [name: string]: string}): Promise<RunningServer>;
}
