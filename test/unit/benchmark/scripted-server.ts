import http from 'node:http';
import type {AddressInfo, Socket} from 'node:net';
import {setTimeout as delay} from 'node:timers/promises';
import type {PhaseTimes} from '../../../src/core/sample.ts';

/** Milliseconds: always the same, or drawn each time. */
type Delay = number | (() => number);

const drawn = (delay: Delay): number => (typeof delay === 'number' ? delay : delay());

/** How the scripted platform behaves; times in milliseconds. */
export interface Script {
  /** What a boot takes, and how it is reported. */
  readonly boot: Required<Pick<PhaseTimes, 'boot' | 'import' | 'load'>>;
  readonly inferMs: Delay;
  /** Platform time before a boot that no phase reports. */
  readonly queueMs: Delay;
  /** `lying` always claims to be on its first request; `silent` gives no evidence. */
  readonly evidence: 'honest' | 'lying' | 'silent';
  readonly image: string;
}

export interface ScriptedServer {
  readonly url: string;
  /** What the server itself saw: from a request's arrival to its answer's headers, and whether it was booted for. */
  readonly served: readonly {readonly cold: boolean; readonly tookMs: number}[];
  /** Ends the instance, so that the next request is cold. */
  chill(): void;
  /** Boots an instance that no request asked for. */
  prewarm(): Promise<void>;
  /** The next request is answered with this status, or by hanging up. */
  failNext(how: number | 'hang up'): void;
  close(): Promise<void>;
}

interface Instance {
  readonly id: string;
  readonly bornMs: number;
  readonly ready: Promise<void>;
  answered: number;
}

/**
 * A FaaS platform with at most one instance and known delays, on the loopback. Its evidence says what really
 * happened there.
 */
export async function startScriptedServer(script: Script): Promise<ScriptedServer> {
  let instance: Promise<Instance> | null = null;
  let boots = 0;
  let failure: number | 'hang up' | null = null;

  const bootMs = script.boot.boot + script.boot.import + script.boot.load;
  const start = async (): Promise<Instance> => {
    const id = `boot-${++boots}`;
    await delay(drawn(script.queueMs));
    return {id, bornMs: performance.now(), ready: delay(bootMs), answered: 0};
  };
  const served: {cold: boolean; tookMs: number}[] = [];
  const evidenceOf = (serving: Instance, waitMs: number, inferMs: number): http.OutgoingHttpHeaders => {
    if (script.evidence === 'silent') return {};
    const ordinal = script.evidence === 'lying' ? 1 : serving.answered;
    const phases = ordinal === 1 ? {...script.boot, wait: waitMs, infer: inferMs} : {infer: inferMs};
    return {
      'thaw-boot': serving.id,
      'thaw-ordinal': String(ordinal),
      'thaw-boot-age': (performance.now() - serving.bornMs).toFixed(3),
      'thaw-image': script.image,
      'server-timing': Object.entries(phases)
        .map(([phase, ms]) => `${phase};dur=${ms}`)
        .join(', '),
    };
  };

  const server = http.createServer((request, response) => {
    request.resume();
    const arrivedMs = performance.now();
    request.on('end', () => {
      void (async () => {
        if (failure === 'hang up') {
          failure = null;
          request.socket.destroy();
          return;
        }
        const cold = instance === null;
        const serving = await (instance ??= start());
        const cameMs = performance.now() - serving.bornMs;
        await serving.ready;
        const inferFromMs = performance.now();
        await delay(drawn(script.inferMs));
        serving.answered++;
        const headers = evidenceOf(
          serving,
          Math.max(0, cameMs - bootMs),
          typeof script.inferMs === 'number' ? script.inferMs : performance.now() - inferFromMs,
        );
        response.writeHead(failure ?? 200, headers).end('{}');
        served.push({cold, tookMs: performance.now() - arrivedMs});
        failure = null;
      })();
    });
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    served,
    chill: () => {
      instance = null;
    },
    prewarm: async () => {
      instance = start();
      await (
        await instance
      ).ready;
    },
    failNext: (how) => {
      failure = how;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
