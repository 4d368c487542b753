// One load by thaw's own generator, in a process of its own like every other tool.
// node attack.mjs BUNDLE URL PER_SECOND DURATION_MS: prints the LoadReport as JSON.
import {pathToFileURL} from 'node:url';

const [bundle, url, perSecond, durationMs] = process.argv.slice(2);
const {createHttp, planInFlightMax, rehearse, runLoad, systemClock} = await import(
  pathToFileURL(bundle).href
);
const shape = {kind: 'rate', perSecond: Number(perSecond), durationMs: Number(durationMs)};
const timeoutMs = 30_000;
const {signal} = new AbortController();
const http = createHttp();
await rehearse((own) => http({url: own, timeoutMs, signal}), systemClock, signal);
const {report} = await runLoad({
  provider: 'bench',
  shape,
  fire: () => http({url, timeoutMs, signal}),
  inFlightMax: planInFlightMax(shape, timeoutMs),
  clock: systemClock,
  signal,
  keep: async (samples) => void samples.map((sample) => JSON.stringify(sample)),
});
process.stdout.write(JSON.stringify(report));
