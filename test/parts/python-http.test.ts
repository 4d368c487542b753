import {once} from 'node:events';
import {connect} from 'node:net';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {fixture, layInstance, startServer, type RunningServer} from '../instance.ts';
import {layPythonInstance, startPythonServer} from '../python-instance.ts';
import {openPython} from './python.ts';

/** What a server says to some bytes: the statuses and bodies of its answers, and whether it then hangs up. */
interface Conversation {
  readonly answers: readonly {readonly status: number; readonly body: string}[];
  readonly hangsUp: boolean;
}

/** The quiet after which no more is expected. */
const QUIET_MS = 700;

async function converse(server: RunningServer, pieces: readonly string[]): Promise<Conversation> {
  const socket = connect({port: server.port, host: '127.0.0.1', noDelay: true});
  await once(socket, 'connect');
  let text = '';
  const state = {hangsUp: false};
  let heardAt = performance.now();
  socket.on('data', (data: Buffer) => {
    text += data.toString('latin1');
    heardAt = performance.now();
  });
  socket.on('end', () => (state.hangsUp = true));
  socket.on('error', () => (state.hangsUp = true));
  for (const piece of pieces) {
    socket.write(Buffer.from(piece, 'latin1'));
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  while (!state.hangsUp && performance.now() - heardAt < QUIET_MS) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  socket.destroy();
  return {answers: answersIn(text), hangsUp: state.hangsUp};
}

function answersIn(text: string): Conversation['answers'] {
  const answers: {status: number; body: string}[] = [];
  let rest = text;
  while (rest !== '') {
    const [head = '', ...tail] = rest.split('\r\n\r\n');
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    // Node's own refusals come in no chunks but the last.
    const after = tail.join('\r\n\r\n').replace(/^0\r\n\r\n/, '');
    answers.push({status: Number(head.split(' ')[1]), body: after.slice(0, length)});
    rest = after.slice(length);
  }
  return answers;
}

describe('on the wire', () => {
  let node: RunningServer;
  let python: RunningServer;
  beforeAll(async () => {
    const model = fixture('linear.onnx');
    const js =
      'export const predict = (input, {context}) => [input, Object.entries(context.headers).sort().map(String)];';
    const py =
      'def predict(input, context): return [input, sorted(f"{name},{value}" for name, value in context.headers.items())]';
    node = await startServer(await layInstance({model, handler: js}));
    const dir = await layPythonInstance({model, handler: py});
    python = await startPythonServer((await openPython()).file, dir);
  });
  afterAll(async () => {
    await Promise.all([node, python].map((server) => server.stop()));
  });

  const post = (headers: string, body = ''): string => `POST / HTTP/1.1\r\nhost: x\r\n${headers}\r\n${body}`;
  it.each<[string, string[]]>([
    ['a request in pieces', ['POST / HTTP/1.1\r\nho', 'st: x\r\ncontent-le', 'ngth: 2\r\n\r', '\n4', '2']],
    ['two requests at once', [post('content-length: 1\r\n', '1') + post('content-length: 2\r\n', '22')]],
    [
      'an empty line between',
      [`${post('content-length: 1\r\n', '1')}\r\n${post('content-length: 1\r\n', '2')}`],
    ],
    [
      'chunks',
      [
        post('transfer-encoding: chunked\r\n', '1\r\n[\r\n2\r\n1]\r\n0\r\n\r\n') +
          post('content-length: 1\r\n', '5'),
      ],
    ],
    [
      'chunks in pieces',
      [post('transfer-encoding: chunked\r\n', '2\r\n1'), '2\r', '\n1\r\n3\r\n0\r', '\n\r\n'],
    ],
    [
      'chunks with extensions and trailers',
      [post('transfer-encoding: Chunked\r\n', '2;a=b\r\n12\r\n0\r\na: b\r\n\r\n')],
    ],
    ['a chunk of no size', [post('transfer-encoding: chunked\r\n', 'x\r\n12\r\n0\r\n\r\n')]],
    ['a chunk that is longer than it says', [post('transfer-encoding: chunked\r\n', '1\r\n12\r\n0\r\n\r\n')]],
    ['no host', ['POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\n1']],
    ['HTTP/1.0', ['POST / HTTP/1.0\r\ncontent-length: 1\r\n\r\n1']],
    ['HTTP/1.0 that stays', ['POST / HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\n1']],
    ['a version that is none', ['POST / HTTP/3.7\r\nhost: x\r\n\r\n']],
    ['who closes', [post('connection: close\r\ncontent-length: 1\r\n', '1')]],
    ['both lengths', [post('content-length: 1\r\ntransfer-encoding: chunked\r\n', '0\r\n\r\n')]],
    ['two lengths', [post('content-length: 1\r\ncontent-length: 2\r\n', '12')]],
    ['a length that is none', [post('content-length: -1\r\n')]],
    ['a length with a sign', [post('content-length: +1\r\n', '1')]],
    ['no length', [post('')]],
    [
      'a header twice',
      [post('x-a: 1\r\nx-a: 2\r\ncookie: a=1\r\ncookie: b=2\r\ncontent-length: 1\r\n', '1')],
    ],
    [
      'a header of which the first counts',
      [post('user-agent: a\r\nuser-agent: b\r\ncontent-length: 1\r\n', '1')],
    ],
    ['a header with much room', [post('X-A:   b c \t \r\ncontent-length: 1\r\n', '1')]],
    ['a header without a value', [post('x-a:\r\ncontent-length: 1\r\n', '1')]],
    ['a header without a colon', [post('x-a\r\ncontent-length: 1\r\n', '1')]],
    ['a header with room before its colon', [post('x-a : 1\r\ncontent-length: 1\r\n', '1')]],
    ['a header in Latin 1', [post('x-a: gr\u00fcn\r\ncontent-length: 1\r\n', '1')]],
    ['a start that is none', ['hello\r\n\r\n']],
    ['a handshake of TLS', ['\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003']],
    ['a method that is none', ['post / HTTP/1.1\r\nhost: x\r\n\r\n']],
    ['no path', ['POST HTTP/1.1\r\nhost: x\r\n\r\n']],
    ['a path with room', ['POST /a b HTTP/1.1\r\nhost: x\r\n\r\n']],
    [
      'an unknown path, and another request',
      ['GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n', post('content-length: 1\r\n', '1')],
    ],
    [
      'a body at a path that takes none',
      [
        `PUT /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n123${post('content-length: 1\r\n', '1')}`,
      ],
    ],
    ['an expectation', [post('expect: 100-continue\r\ncontent-length: 1\r\n'), '1']],
    ['an expectation that is none', [post('expect: wonders\r\ncontent-length: 1\r\n', '1')]],
  ])('%s is understood as Node does', async (_what, pieces) => {
    const [from, to] = await Promise.all([converse(node, pieces), converse(python, pieces)]);
    expect(from.answers.length).toBeGreaterThan(0);
    expect(to).toEqual(from);
  });
});
