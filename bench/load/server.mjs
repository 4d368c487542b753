// The server of bench/load.mjs, a process of its own: answers GET over kept connections after a scripted delay, and
// writes down its own truth: when each request's bytes came and when its answer was handed to the system. On demand
// it freezes as a whole, as a garbage collector or a hypervisor does it. Speaks with its parent over IPC.
import {createServer} from 'node:net';

const REQUESTS_MAX = 2_000_000;
const END = Buffer.from('\r\n\r\n');
const ANSWER = Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok');

const arrivedMs = new Float64Array(REQUESTS_MAX);
const serviceMs = new Float64Array(REQUESTS_MAX);
let arrived = 0;
let answered = 0;
let freezes = [];
let freezing = null;
let stall = null;

/**
 * A spread like that of real services, the same for every tool: most near 2 ms, one in twenty 2 ms more, one in
 * fifty 6 ms more. A fixed sequence, so that no tool is luckier than another.
 */
function delayMs(nth) {
  const spread = (nth * 0.6180339887498949) % 1;
  return spread < 0.93 ? 2 : spread < 0.98 ? 4 : 8;
}

/** Stops everything, answers nothing, reads nothing. */
function freeze(ms) {
  const fromMs = performance.now();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  freezes.push({fromMs, toMs: performance.now()});
}

function onRequest(socket) {
  const nth = arrived++;
  if (nth >= REQUESTS_MAX) throw new Error(`more than ${REQUESTS_MAX} requests`);
  const cameMs = performance.now();
  arrivedMs[nth] = cameMs;
  if (stall !== null && nth === 0) {
    freezing = setTimeout(function again() {
      freezing = setTimeout(again, stall.everyMs - stall.forMs);
      freeze(stall.forMs);
    }, stall.firstMs);
  }
  setTimeout(() => {
    if (socket.writable) socket.write(ANSWER);
    serviceMs[nth] = performance.now() - cameMs;
    answered++;
  }, delayMs(nth));
}

const server = createServer({noDelay: true}, (socket) => {
  let rest = null;
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    const bytes = rest === null ? chunk : Buffer.concat([rest, chunk]);
    let from = 0;
    for (let end = bytes.indexOf(END); end >= 0; end = bytes.indexOf(END, from)) {
      from = end + END.length;
      onRequest(socket);
    }
    rest = from < bytes.length ? bytes.subarray(from) : null;
  });
});

process.on('message', (message) => {
  if (message.ask === 'begin') {
    clearTimeout(freezing);
    arrived = 0;
    answered = 0;
    freezes = [];
    stall = message.stall ?? null;
    process.send({begun: true});
  } else {
    clearTimeout(freezing);
    process.send({
      answered,
      arrivedMs: [...arrivedMs.subarray(0, arrived)],
      serviceMs: [...serviceMs.subarray(0, arrived)],
      freezes,
    });
  }
});
process.on('disconnect', () => process.exit());

// A stall fills the queue of connections that nobody accepts yet: it must hold them all.
server.listen({port: 0, host: '127.0.0.1', backlog: 8192}, () => process.send({port: server.address().port}));
