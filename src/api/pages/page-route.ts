/** Sends a page: its format by `Accept`, from a cache that keeps it a second, with the headers that the Python launcher sends. */
import { negotiate } from '../http/accept.ts';
import type { PageCache } from '../http/page-cache.ts';
import { refuse, send, sendText } from '../http/respond.ts';
import type { Route } from '../http/server.ts';
import { type Page, type PageQuery, PageUnavailable } from './page.ts';

export const pageLifeMs = 1000;

export function pageRoute(page: Page, cache: PageCache): Route {
  return async ({ http, path, parameters }, response) => {
    const format = negotiate(http.headers.accept);
    // The Python launcher gives this answer to a client that admits none of its formats.
    if (!format) return sendText(response, 500, 'Internal Server Error', { 'Content-Type': 'text/plain' });
    const query = queryOf(parameters);
    const key = JSON.stringify([path, format, query.nodeId, format === 'json' ? null : query.fields]);
    let made;
    try {
      made = await cache.get(key, () => page.make(query, format));
    } catch (error) {
      if (error instanceof PageUnavailable) return refuse(http, response, 503);
      throw error;
    }
    const seconds = Math.floor(made.madeMs / 1000);
    const headers = {
      'Access-Control-Allow-Origin': '*',
      'Cache-Control': 'max-age=1, public',
      'Last-Modified': httpDate(seconds),
      Expires: httpDate(seconds + pageLifeMs / 1000),
    };
    const since = Date.parse(http.headers['if-modified-since'] ?? '');
    if (since >= seconds * 1000) {
      response.writeHead(304, headers);
      response.end();
      return;
    }
    send(response, 200, { 'Content-Type': contentTypes[format], ...headers }, made.body);
  };
}

const contentTypes = { json: 'application/json', text: 'text/plain; charset=UTF-8' } as const;

const httpDate = (seconds: number): string => new Date(seconds * 1000).toUTCString();

function queryOf(parameters: URLSearchParams): PageQuery {
  // Where a parameter comes twice, the last one counts, as for the Python launcher.
  const last = (name: string) => parameters.getAll(name).at(-1) || null;
  return { nodeId: last('node_id'), fields: last('fields')?.split(',') ?? null };
}
