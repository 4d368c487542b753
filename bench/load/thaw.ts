// What bench/load.mjs runs of thaw: the real client and the real load generator, without the command line around.
export {rehearse} from '../../src/benchmark/load/rehearse.ts';
export {runLoad, planInFlightMax} from '../../src/benchmark/load/run.ts';
export {createLoadRecorder} from '../../src/benchmark/load/recorder.ts';
export {scheduleLoad} from '../../src/benchmark/load/schedule.ts';
export {systemClock} from '../../src/net/clock.ts';
export {createHttp} from '../../src/net/http.ts';
