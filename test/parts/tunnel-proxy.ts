import {once} from 'node:events';
import {createServer} from 'node:http';
import {connect, type AddressInfo, type Socket} from 'node:net';
import {afterAll} from 'vitest';

/** A proxy that opens tunnels, whatever they are asked for, to one address. */
export interface TunnelProxy {
  /** Host and port. */
  readonly host: string;
  /** What tunnels were opened to, as those who asked believe. */
  readonly targets: string[];
}

const closers: (() => void)[] = [];
afterAll(() => {
  for (const close of closers) close();
});

export async function startTunnelProxy(
  address: string,
  username: string,
  password: string,
): Promise<TunnelProxy> {
  const targets: string[] = [];
  const sockets = new Set<Socket>();
  const basic = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const [host, port] = address.split(':');
  const server = createServer();
  server.on('connect', ({url = '', headers}, stream) => {
    const near = stream as Socket;
    near.on('error', () => undefined);
    if (headers['proxy-authorization'] !== basic) {
      near.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    targets.push(url);
    const far = connect(Number(port), host, () => {
      near.write('HTTP/1.1 200 Connected\r\n\r\n');
      near.pipe(far).pipe(near);
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
    }
  });
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {host: `127.0.0.1:${(server.address() as AddressInfo).port}`, targets};
}
