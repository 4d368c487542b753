// The program that serves a model: the entrypoint of an image, and of an instance of the process engine.
import {markStart, sinceBirthMs} from './phases.ts';
import {openEngine, type Engine} from './engine.ts';
import {beginBoot} from './evidence.ts';
import {messageOf, StartFailure, stackOf} from './failures.ts';
import {listenHttp, type FrontDoor} from './http.ts';
import {log, printLine} from './log.ts';
import {layoutAround, readServeManifest, type Layout, type ServeManifest} from './serve-manifest.ts';
import {createService} from './service.ts';
import {readSettings, type Settings} from './settings.ts';
import {openWorkerEngine} from './worker-engine.ts';

void main();

async function main(): Promise<void> {
  const marks = markStart();
  let door: FrontDoor | null = null;
  const end = endOnce(() => door);
  endOnSignals(end);
  try {
    const settings = readSettings(process.env, process.argv.slice(2));
    if (settings.lifeline) endWithStdin(end);
    const layout = layoutAround(__dirname);
    const manifest = readServeManifest(layout.manifestFile);
    // The interpreter of an image runs nowhere else, and an image has its temporary folder to itself.
    const inImage = process.execPath === layout.ownNode;
    const boot = beginBoot(settings.image, inImage);
    const service = createService(manifest.name, boot);
    const listening = listenHttp(service, {
      port: settings.port,
      host: settings.host ?? (inImage ? null : '127.0.0.1'),
      requestBytesMax: settings.requestBytesMax,
    });
    const [listener, engine] = await Promise.all([
      listening,
      openFor(settings, layout, manifest, marks.imported, (why) => {
        log('error', why);
        end(1);
      }),
    ]);
    door = listener;
    surviveStrayFailures();
    service.ready(engine, marks.ready());
    printLine({event: 'ready', port: door.port, bootId: boot.id, readyMs: round(sinceBirthMs())});
  } catch (error) {
    const code = error instanceof StartFailure ? error.code : 'RUNTIME_UNAVAILABLE';
    printLine({event: 'failed', code, message: messageOf(error)});
    process.exit(1);
  }
}

/** One request at a time needs no second thread, and starts sooner without. */
function openFor(
  settings: Settings,
  layout: Layout,
  manifest: ServeManifest,
  imported: () => void,
  ended: (why: string) => void,
): Promise<Engine> {
  if (settings.concurrency > 1) return openWorkerEngine(__dirname, imported, ended);
  return openEngine(layout, manifest, imported);
}

const DRAIN_MS_MAX = 10_000;

/** Ends the process when every request that has come is answered, or when that takes too long. */
function endOnce(door: () => FrontDoor | null): (exitCode: number) => void {
  let ending = false;
  return (exitCode) => {
    if (ending) return;
    ending = true;
    const open = door();
    if (open === null) process.exit(exitCode);
    setTimeout(() => process.exit(exitCode), DRAIN_MS_MAX).unref();
    void open.drain().then(() => process.exit(exitCode));
  };
}

function endOnSignals(end: (exitCode: number) => void): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      end(0);
    });
  }
}

/** Stdin is a pipe from whoever started this process: when it ends, nobody is left to serve. */
function endWithStdin(end: (exitCode: number) => void): void {
  const over = (): void => {
    end(0);
  };
  process.stdin.on('end', over).on('close', over).on('error', over).resume();
}

/** A handler's forgotten promise is no reason to end; an exception outside of any request leaves no safe state. */
function surviveStrayFailures(): void {
  process.on('unhandledRejection', (reason) => {
    log('error', `unhandled rejection: ${messageOf(reason)}`, {stack: stackOf(reason)});
  });
  process.on('uncaughtException', (error) => {
    log('error', `uncaught exception: ${messageOf(error)}`, {stack: stackOf(error)});
    process.exit(1);
  });
}

const round = (ms: number): number => Math.round(ms * 1000) / 1000;
