/** The two ports: plain TCP on loopback, TLS with client certificates anywhere. */
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { CoordinatorError, reasonOf } from './coordinator-error.ts';

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface ListenerOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** The configuration's name of the port, for messages. */
  readonly setting: string;
  readonly maxConnections: number;
  readonly handshakeTimeoutMs: number;
  readonly onSocket: (socket: Socket) => void;
  /** Something that concerns one client only. */
  readonly onProblem: (problem: string, remote: string) => void;
}

export interface Listener {
  readonly port: number;
  close(): void;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

export function listenPlain(o: ListenerOptions): Promise<Listener> {
  if (!isLoopback(o.host)) {
    throw new CoordinatorError(
      'not-loopback',
      `without TLS the coordinator listens on loopback only, not on ${o.host} (${o.setting})`,
    );
  }
  return listen(createServer(o.onSocket), o);
}

export async function listenTls(o: ListenerOptions, files: TlsFiles): Promise<Listener> {
  const options: TlsOptions = {
    ...readFiles(files),
    // A client without a certificate of that CA is turned away before it can say a word.
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    handshakeTimeout: o.handshakeTimeoutMs,
  };
  let server: Server;
  try {
    server = createTlsServer(options, o.onSocket);
  } catch (error) {
    throw new CoordinatorError(
      'tls',
      `coordinator.tls: ${files.cert} and ${files.key} can't be used: ${reasonOf(error)}`,
      error,
    );
  }
  server.on('tlsClientError', (error: Error, socket: Socket) =>
    o.onProblem(error.message, socket.remoteAddress ?? '?'),
  );
  return listen(server, o);
}

function readFiles(files: TlsFiles): { cert: Buffer; key: Buffer; ca: Buffer } {
  const read = (what: keyof TlsFiles) => {
    try {
      return readFileSync(files[what]);
    } catch (error) {
      throw new CoordinatorError(
        'tls',
        `coordinator.tls.${what}: ${files[what]} can't be read: ${reasonOf(error)}`,
        error,
      );
    }
  };
  return { cert: read('cert'), key: read('key'), ca: read('ca') };
}

function listen(server: Server, o: ListenerOptions): Promise<Listener> {
  // Some more than are served, so that operators' words get through when all places are taken.
  server.maxConnections = o.maxConnections + 16;
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explain(error, o)));
    server.listen({ host: o.host, port: o.port }, () => {
      server.on('error', (error) => o.onProblem(error.message, o.host));
      const bound = server.address();
      resolve({ port: typeof bound === 'object' && bound ? bound.port : o.port, close: () => server.close() });
    });
  });
}

function explain(error: NodeJS.ErrnoException, { host, port, setting }: ListenerOptions): CoordinatorError {
  const where = `port ${port} on ${host}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return new CoordinatorError(
        'port-in-use',
        `${where} is in use by another program; choose another one (${setting})`,
        error,
      );
    case 'EACCES':
      return new CoordinatorError(
        'port-in-use',
        `${where} may not be used by this user; choose one above 1023 (${setting})`,
        error,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new CoordinatorError('port-in-use', `${host} is no address of this machine (coordinator.listen)`, error);
    default:
      return new CoordinatorError('port-in-use', `${where} can't be opened: ${reasonOf(error)} (${setting})`, error);
  }
}
