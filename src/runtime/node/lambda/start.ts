import type {Engine} from '../engine.ts';
import {beginBoot, restoreBoot} from '../evidence.ts';
import {messageOf} from '../failures.ts';
import type {Lifetime} from '../lifetime.ts';
import {log, printLine} from '../log.ts';
import {sinceBirthMs, type MarkStart} from '../phases.ts';
import {createService} from '../service.ts';
import type {Settings} from '../settings.ts';
import {serveLambda} from './lambda.ts';
import {createRuntimeApi, reasonOf} from './runtime-api.ts';

/**
 * Serves on Lambda. Everything is loaded before the first event is asked for, which is what Lambda takes for the end
 * of the start, and one event at a time needs no second thread.
 *
 * @param open reads the manifest and loads what it names
 * @throws StartFailure, RuntimeApiFailure
 */
export async function startOnLambda(
  address: string,
  settings: Settings,
  inImage: boolean,
  open: () => Promise<{readonly name: string; readonly engine: Engine}>,
  marks: MarkStart,
  lifetime: Lifetime,
): Promise<void> {
  const api = createRuntimeApi(address);
  lifetime.reportWith((code, message) =>
    api.failInit({errorType: `Runtime.${reasonOf(code)}`, errorMessage: message}),
  );
  const booted = beginBoot(settings.image, inImage);
  const {name, engine} = await open();
  const loaded = marks.ready();
  if (settings.snapshot) await api.awaitRestore();
  const boot = settings.snapshot ? restoreBoot(booted) : booted;

  const service = createService(name, boot);
  service.ready(engine, loaded);
  printLine({event: 'ready', port: null, bootId: boot.id, readyMs: Number(sinceBirthMs().toFixed(3))});
  const door = serveLambda(api, service, settings.requestBytesMax);
  lifetime.drainWith(door.drain);
  door.ended.catch((error: unknown) => {
    log('error', messageOf(error));
    lifetime.end(1);
  });
}
