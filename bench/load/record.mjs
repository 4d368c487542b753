// Records ten million samples, without sending any, and prints what memory that took.
// node --expose-gc record.mjs BUNDLE SAMPLES
import {pathToFileURL} from 'node:url';

const [bundle, count] = process.argv.slice(2);
const {createLoadRecorder, scheduleLoad} = await import(pathToFileURL(bundle).href);
const total = Number(count);
const shape = {kind: 'rate', perSecond: 10_000, durationMs: total / 10};
const recorder = createLoadRecorder(shape);

function bytes() {
  globalThis.gc();
  const {heapUsed, arrayBuffers} = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** A sample as it comes out, with latencies from 0.1 ms to seconds and a hundred instances. */
function sampleOf({index, stage}) {
  const latencyMs = 0.1 * Math.exp(((index * 0.6180339887498949) % 1) * 10);
  return {
    schema: 'thaw.sample/1',
    provider: 'bench',
    shot: {index, want: 'any', stage},
    at: '',
    class: 'warm',
    firstAfterDeploy: false,
    status: 200,
    error: null,
    totalMs: latencyMs,
    timings: {sentMs: 0.01, connectedMs: 0.01, writtenMs: 0.02, firstByteMs: latencyMs, endMs: latencyMs},
    evidence: {bootId: `boot-${index % 100}`, ordinal: 2, bootAgeMs: 1e6, phases: {}},
  };
}

const points = [];
let recordMs = 0;
for (const request of scheduleLoad(shape)) {
  const sample = sampleOf(request);
  const startMs = performance.now();
  recorder.sent(request, 1);
  recorder.cameOut(request, sample);
  recordMs += performance.now() - startMs;
  if ((request.index + 1) % (total / 10) === 0) points.push({samples: request.index + 1, bytes: bytes()});
}
const {n} = recorder.report(null).stages[0].latency;
process.stdout.write(JSON.stringify({n, points, recordUs: (recordMs * 1000) / total}));
