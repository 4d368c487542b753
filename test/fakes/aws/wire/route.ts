import {readOperations, type OperationShape} from '../schema.ts';
import type {WireRequest} from './message.ts';

/** An operation with where it is found. */
interface Route {
  readonly operation: OperationShape;
  readonly method: string;
  readonly pattern: RegExp;
  readonly labels: readonly string[];
  /** Parts of the query that belong to the operation's place; null: it must be there, whatever it is. */
  readonly query: readonly (readonly [name: string, value: string | null])[];
  /** What tells it from operations at the same place. */
  readonly id: string | null;
}

/** Finds operations by method, path and query, as their `http` traits say. */
export function createRouter(client: object) {
  const routes = readOperations(client)
    .flatMap((operation) => routeOf(operation) ?? [])
    // What asks for more is closer.
    .sort((a, b) => b.query.length - a.query.length || a.labels.length - b.labels.length);

  return ({method, path, query}: WireRequest) => {
    for (const route of routes) {
      const match = route.method === method ? route.pattern.exec(path) : null;
      const here = route.query.every(([name, value]) =>
        value === null ? query.has(name) : query.get(name) === value,
      );
      const id = query.get('x-id');
      // Not every client sends it.
      const isOther = id !== null && route.id !== null && id !== route.id;
      if (match === null || !here || isOther) continue;
      const labels = route.labels.map((name, i) => [name, decodeURIComponent(match[i + 1] ?? '')] as const);
      return {
        operation: route.operation,
        labels: Object.fromEntries(labels),
        ownQuery: new Set(route.query.map(([name]) => name)),
      };
    }
    return null;
  };
}

function routeOf(operation: OperationShape): Route | null {
  if (operation.traits.http === undefined) return null;
  const [method, uri] = operation.traits.http;
  const [path = '', query = ''] = uri.split('?');
  const labels: string[] = [];
  const source = path
    .replace(/\/$/, '')
    .split(/(\{[^}]+\})/)
    .map((part) => {
      if (!part.startsWith('{')) return part.replace(/[.*+?^$()|[\]\\]/g, '\\$&');
      labels.push(part.slice(1, -1).replace('+', ''));
      return part.endsWith('+}') ? '(.+)' : '([^/]+)';
    })
    .join('');
  const parts = query === '' ? [] : query.split('&').map((part) => part.split('=') as [string, string?]);
  return {
    operation,
    method,
    pattern: new RegExp(`^${source}/?$`),
    labels,
    id: parts.find(([name]) => name === 'x-id')?.[1] ?? null,
    query: parts.filter(([name]) => name !== 'x-id').map(([name, value]) => [name, value ?? null]),
  };
}
