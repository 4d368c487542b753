// The program that serves a model: the entrypoint of an image, and of an instance of the process engine.
import {markStart, sinceBirthMs} from './phases.ts';
import {join} from 'node:path';
import type * as Clouds from './clouds.ts';
import {openEngine, type Engine} from './engine.ts';
import {beginBoot} from './evidence.ts';
import {messageOf, StartFailure} from './failures.ts';
import {listenHttp} from './http.ts';
import {beginLifetime, endWithStdin, type Lifetime} from './lifetime.ts';
import {log, printLine} from './log.ts';
import {printAtOnce} from './printing.ts';
import {layoutAround, readServeManifest} from './serve-manifest.ts';
import {createService} from './service.ts';
import {readSettings} from './settings.ts';
import {openWorkerEngine} from './worker-engine.ts';

const lifetime = beginLifetime();
printAtOnce();
start(lifetime).catch((error: unknown) => {
  lifetime.fail(error instanceof StartFailure ? error.code : 'RUNTIME_UNAVAILABLE', messageOf(error));
});

/** Opens the door first, so that requests can queue, then loads what answers them. */
async function start(lifetime: Lifetime): Promise<void> {
  const marks = markStart();
  const settings = readSettings(process.env, process.argv.slice(2));
  if (settings.lifeline) endWithStdin(lifetime);
  const layout = layoutAround(__dirname);
  // The interpreter of an image runs nowhere else, and an image has its temporary folder to itself.
  const inImage = process.execPath === layout.ownNode;
  if (settings.runtimeApi !== null) {
    const open = async (): Promise<{name: string; engine: Engine}> => {
      const manifest = readServeManifest(layout.manifestFile);
      return {name: manifest.name, engine: await openEngine(layout, manifest, marks.imported)};
    };
    return clouds().startOnLambda(settings.runtimeApi, settings, inImage, open, marks, lifetime);
  }
  const manifest = readServeManifest(layout.manifestFile);
  const boot = beginBoot(settings.image, inImage);
  const service = createService(manifest.name, boot);
  const {customHandlerPort} = settings;
  const listening = listenHttp(service, {
    port: customHandlerPort ?? settings.port,
    host: settings.host ?? (inImage ? null : '127.0.0.1'),
    requestBytesMax: settings.requestBytesMax,
    ...(customHandlerPort === null ? {} : {dialect: clouds().customHandler(manifest.name)}),
  });

  // One request at a time needs no second thread, and starts sooner without.
  const opening: Promise<Engine> =
    settings.concurrency === 1
      ? openEngine(layout, manifest, marks.imported)
      : openWorkerEngine(__dirname, marks.imported, (why) => {
          log('error', why);
          lifetime.end(1);
        });
  const [door, engine] = await Promise.all([listening, opening]);
  service.ready(engine, marks.ready());
  lifetime.drainWith(door.drain);
  printLine({event: 'ready', port: door.port, bootId: boot.id, readyMs: Number(sinceBirthMs().toFixed(3))});
}

function clouds(): typeof Clouds {
  return require(join(__dirname, 'clouds.cjs')) as typeof Clouds;
}
