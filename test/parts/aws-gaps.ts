import {createServer, type IncomingHttpHeaders} from 'node:http';
import type {AddressInfo} from 'node:net';
import {once} from 'node:events';
import {buffer} from 'node:stream/consumers';
import {onTestFinished} from 'vitest';

/** A request as it came in. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

/** Answers what a stand-in for AWS does not know, as JSON; null: the stand-in shall answer. */
export type Gap = (asked: Asked) => Promise<unknown> | null;

/** Texts in answers that are wrong, and what they are instead. */
export type Mend = {readonly wrong?: RegExp; readonly right?: string};

/**
 * Starts a server in front of a stand-in for AWS, for one test: it answers a few requests itself and hands on the others
 * as they are.
 *
 * @returns its address
 */
export async function fillGaps(url: string, gaps: readonly Gap[], mend: Mend = {}): Promise<string> {
  const answer = async (asked: Asked, headers: IncomingHttpHeaders, body: Buffer): Promise<Response> => {
    for (const gap of gaps) {
      const filled = gap(asked);
      if (filled !== null) return Response.json(await filled);
    }
    const search = asked.query.size === 0 ? '' : `?${asked.query.toString()}`;
    const {host: _, connection: __, 'content-length': ___, 'transfer-encoding': ____, ...kept} = headers;
    return fetch(url + asked.path + search, {
      method: asked.method,
      headers: Object.entries(kept).map(([name, value]) => [name, String(value)]),
      ...(body.length > 0 && {body}),
    });
  };
  const server = createServer((request, response) => {
    void (async () => {
      const {pathname, searchParams} = new URL(request.url ?? '/', url);
      const asked = {method: request.method ?? 'GET', path: pathname, query: searchParams};
      try {
        const said = await answer(asked, request.headers, await buffer(request));
        const headers = [...said.headers].filter(
          ([name]) => !/^(?:connection|content-.*coding|transfer-encoding|content-length)$/.test(name),
        );
        response.writeHead(said.status, headers.flat());
        const bytes = Buffer.from(await said.arrayBuffer());
        response.end(
          mend.wrong === undefined ? bytes : bytes.toString('utf8').replace(mend.wrong, mend.right ?? ''),
        );
      } catch (error) {
        response.writeHead(502).end(String(error));
      }
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Lambda's quotas of an account that has them raised by nobody. */
export const accountSettings: Gap = ({path}) =>
  path.endsWith('/account-settings')
    ? Promise.resolve({
        AccountLimit: {ConcurrentExecutions: 1000, UnreservedConcurrentExecutions: 1000},
        AccountUsage: {FunctionCount: 0, TotalCodeSize: 0},
      })
    : null;

/** The list of a function's provisioned concurrency, from what was put before and what is said of each. */
export function provisionedList(url: string): Gap {
  const put = new Map<string, Set<string>>();
  return ({method, path, query}) => {
    if (!path.endsWith('/provisioned-concurrency')) return null;
    const qualifiers = put.get(path) ?? new Set();
    put.set(path, qualifiers);
    if (method === 'PUT') qualifiers.add(query.get('Qualifier') ?? '');
    if (query.get('List') !== 'ALL') return null;
    return listOf(url, path, [...qualifiers]);
  };
}

async function listOf(url: string, path: string, qualifiers: readonly string[]): Promise<unknown> {
  const name = /functions\/([^/]+)\//.exec(path)?.[1] ?? '';
  const found = await Promise.all(
    qualifiers.map(async (qualifier) => {
      const answer = await fetch(`${url}${path}?Qualifier=${qualifier}`);
      const FunctionArn = `arn:aws:lambda:eu-central-1:123456789012:function:${name}:${qualifier}`;
      return answer.ok ? [{FunctionArn, ...((await answer.json()) as object)}] : [];
    }),
  );
  return {ProvisionedConcurrencyConfigs: found.flat()};
}
