// A handler for the Node that Lambda manages: what fetches events there is not this program, but each goes through the
// same door.
import {openEngine} from '../engine.ts';
import {beginBoot} from '../evidence.ts';
import {messageOf, StartFailure} from '../failures.ts';
import {printLine} from '../log.ts';
import {sinceBirthMs, type MarkStart} from '../phases.ts';
import {layoutAround, readServeManifest} from '../serve-manifest.ts';
import {createService, type Service} from '../service.ts';
import {readSettings, type Settings} from '../settings.ts';
import {serveLambda} from './lambda.ts';
import {reasonOf, type Invocation, type InvocationError, type RuntimeApi} from './runtime-api.ts';

/** Where Lambda unpacks an archive. */
const TASK_ROOT = '/var/task';

/** What Lambda says of an invocation, as far as it is used. */
interface ManagedContext {
  readonly awsRequestId: string;
  getRemainingTimeInMillis(): number;
}

/** What Lambda calls, with one event at a time. */
export type ManagedHandler = (event: unknown, context: ManagedContext) => Promise<unknown>;

/**
 * Loads everything, which Lambda waits for before it has any event answered.
 *
 * @param runtimeDir the folder with ONNX Runtime; the other parts lie beside it
 * @throws Error whose name is the reason, as Lambda reports it
 */
export async function openHandler(runtimeDir: string, marks: MarkStart): Promise<ManagedHandler> {
  try {
    const settings = readSettings(process.env, []);
    // Anywhere else the temporary folder may be everybody's.
    const boot = beginBoot(settings.image, runtimeDir === `${TASK_ROOT}/runtime`);
    const layout = layoutAround(runtimeDir);
    const manifest = readServeManifest(layout.manifestFile);
    const engine = await openEngine(layout, manifest, marks.imported);
    const service = createService(manifest.name, boot);
    service.ready(engine, marks.ready());
    printLine({event: 'ready', port: null, bootId: boot.id, readyMs: Number(sinceBirthMs().toFixed(3))});
    return (event, context) => answer(service, settings, event, context);
  } catch (error) {
    const code = error instanceof StartFailure ? error.code : 'RUNTIME_UNAVAILABLE';
    printLine({event: 'failed', code, message: messageOf(error)});
    throw named(`Runtime.${reasonOf(code)}`, messageOf(error), error);
  }
}

function answer(
  service: Service,
  {requestBytesMax}: Settings,
  event: unknown,
  context: ManagedContext,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const api = oneEvent(event, context, resolve, ({errorType, errorMessage}) => {
      reject(named(errorType, errorMessage));
    });
    serveLambda(api, service, requestBytesMax).ended.catch(reject);
  });
}

/** The Runtime API as the door knows it, with one event in it. */
function oneEvent(
  event: unknown,
  context: ManagedContext,
  onAnswer: (answer: unknown) => void,
  onError: (error: InvocationError) => void,
): RuntimeApi {
  const waiting: Invocation[] = [
    {
      requestId: context.awsRequestId,
      deadlineMs: Date.now() + context.getRemainingTimeInMillis(),
      traceId: process.env['_X_AMZN_TRACE_ID'] ?? null,
      body: Buffer.from(JSON.stringify(event) ?? 'null'),
    },
  ];
  return {
    next: async () => waiting.shift() ?? null,
    async respond(_requestId, body) {
      onAnswer(JSON.parse(body));
      return 'taken';
    },
    async fail(_requestId, error) {
      onError(error);
    },
    async failInit(error) {
      onError(error);
    },
    awaitRestore: async () => undefined,
    close: () => undefined,
  };
}

/** Lambda reports an error's name as its type. */
function named(name: string, message: string, cause?: unknown): Error {
  const error = new Error(message, {cause});
  error.name = name;
  // Where in this program it was made says nothing.
  error.stack = `${name}: ${message}`;
  return error;
}
