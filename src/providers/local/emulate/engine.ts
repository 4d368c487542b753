import type {Engine} from '../engine.ts';
import {emulateAzure} from './azure.ts';
import type {Cloud} from './emulation.ts';
import {emulateLambda} from './lambda.ts';
import {emulateRun} from './run.ts';

/** Has each launch find itself at the cloud that it names, on whatever engine; those that name none run as they are. */
export function emulatingEngine(engine: Engine): Engine {
  const clouds: {readonly [cloud in Cloud]: Engine} = {
    lambda: emulateLambda(engine),
    run: emulateRun(engine),
    azure: emulateAzure(engine),
  };
  return {
    ...engine,
    start: (launch) => {
      const cloud = launch.emulation?.cloud;
      return (cloud === undefined ? engine : clouds[cloud]).start(launch);
    },
  };
}
