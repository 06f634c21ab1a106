/**
 * The HTTP server of a launcher: read-only, plain HTTP, small limits for everything that a client may ask for. It knows no
 * page: the routes answer. A taken port must not keep the launcher from its work, so the server tries it until it is free.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from '../../base/logger.ts';
import type { Runtime, Timer } from '../../base/runtime.ts';
import type { Trouble } from '../../base/trouble.ts';
import { refuse, sendText } from './respond.ts';

export interface ApiRequest {
  readonly http: IncomingMessage;
  readonly path: string;
  readonly parameters: URLSearchParams;
}

export type Route = (request: ApiRequest, response: ServerResponse) => void | Promise<void>;

export interface ApiServerDeps {
  readonly routes: ReadonlyMap<string, Route>;
  readonly runtime: Runtime;
  readonly log: Logger;
}

/** Where the server listens. */
export interface ListenAddress {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

const mostUrlCharacters = 2048;
const mostHeaderBytes = 8192;
const mostConnections = 128;
/** A request has to come in whole within this time. */
const requestTimeoutMs = 10_000;
/** A connection without a byte in either direction for this time is closed. */
const idleTimeoutMs = 30_000;
const keepAliveMs = 5000;
const listenAgainMs = 5000;

export class ApiServer {
  private readonly deps: ApiServerDeps;
  private readonly address: ListenAddress;
  private readonly server: Server;
  private retry: Timer | null = null;
  private failing: { readonly why: string; readonly sinceMs: number } | null = null;
  private closed = false;

  constructor(deps: ApiServerDeps, address: ListenAddress) {
    this.deps = deps;
    this.address = address;
    this.server = createServer(
      {
        maxHeaderSize: mostHeaderBytes,
        requestTimeout: requestTimeoutMs,
        headersTimeout: requestTimeoutMs,
        keepAliveTimeout: keepAliveMs,
      },
      (request, response) => void this.answer(request, response),
    );
    this.server.maxConnections = mostConnections;
    this.server.setTimeout(idleTimeoutMs);
    this.server.on('error', (error) => this.failed(error));
    this.server.on('listening', () => {
      this.failing = null;
      const { address, port } = this.server.address() as AddressInfo;
      this.deps.log.info({ address, port }, 'Status pages are served');
    });
  }

  /** Returns at once; see `port` and `troubles`. */
  start(): void {
    if (!this.closed) this.server.listen(this.address.port, this.address.host);
  }

  /** null while the server does not listen. */
  get port(): number | null {
    return (this.server.address() as AddressInfo | null)?.port ?? null;
  }

  *troubles(): Iterable<Trouble> {
    if (!this.failing) return;
    yield {
      key: 'status pages',
      severity: 'warning',
      what: 'the status pages and metrics of this launcher are not served',
      why: this.failing.why,
      sinceMs: this.failing.sinceMs,
      hint: 'give it a webapp port of its own, or start it with --no-webapp; the port is tried again every 5 s',
    };
  }

  async close(): Promise<void> {
    this.closed = true;
    this.retry?.cancel();
    const ended = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await ended;
  }

  private failed(error: Error): void {
    if (this.server.listening || this.closed) return;
    const { runtime, log } = this.deps;
    const { host, port } = this.address;
    const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    const why = taken ? `port ${port} of ${host} is taken by another program` : error.message;
    if (!this.failing) log.warn({ host, port, why }, 'Status pages cannot be served, trying again');
    this.failing = { why, sinceMs: this.failing?.sinceMs ?? runtime.monotonicMs() };
    this.retry = runtime.setBackgroundTimer(listenAgainMs, () => this.start());
  }

  private async answer(http: IncomingMessage, response: ServerResponse): Promise<void> {
    // A client that goes away in the middle is its own business.
    response.on('error', () => undefined);
    const url = http.url ?? '/';
    // A body is not read, so what follows it on this connection could not be told from it.
    if (http.headers['content-length'] !== undefined || http.headers['transfer-encoding'] !== undefined) {
      response.setHeader('Connection', 'close');
    }
    if (http.method !== 'GET' && http.method !== 'HEAD') return refuse(http, response, 405, { Allow: 'GET, HEAD' });
    if (url.length > mostUrlCharacters) return refuse(http, response, 414);
    const at = url.indexOf('?');
    const path = at < 0 ? url : url.slice(0, at);
    const route = this.deps.routes.get(path);
    if (!route) return refuse(http, response, 404);
    try {
      await route({ http, path, parameters: new URLSearchParams(at < 0 ? '' : url.slice(at + 1)) }, response);
    } catch (error) {
      this.deps.log.error({ path, err: error }, 'A status page could not be made');
      if (response.headersSent) response.destroy();
      else sendText(response, 500, 'Internal Server Error');
    }
  }
}
