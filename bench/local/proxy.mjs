// The ten-line proxy. node proxy.mjs PORT: passes everything on to that port over kept connections.
import {Agent, createServer, request} from 'node:http';

const port = Number(process.argv[2]);
const agent = new Agent({keepAlive: true});
const server = createServer((incoming, response) => {
  const {method, url: path, headers} = incoming;
  const upstream = request({port, host: '127.0.0.1', agent, method, path, headers}, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  upstream.on('error', () => response.destroy());
  incoming.pipe(upstream);
});
server.listen(0, '127.0.0.1', () =>
  console.log(JSON.stringify({event: 'ready', port: server.address().port})),
);
process.stdin.on('end', () => process.exit()).resume();
