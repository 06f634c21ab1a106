/** The two ports: plain TCP on loopback, TLS with client certificates anywhere. */
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer, type TlsOptions } from 'node:tls';
import type { Runtime } from '../runtime/runtime.ts';
import { TlsFileError, type TlsFiles, TlsFileWatch, type TlsMaterial } from '../client/tls-files.ts';
import { CoordinatorError, reasonOf } from './storage/coordinator-error.ts';

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

export function listenPlain(options: ListenerOptions): Promise<Listener> {
  if (!isLoopback(options.host)) {
    throw new CoordinatorError(
      'not-loopback',
      `without TLS the coordinator listens on loopback only, not on ${options.host} (${options.setting})`,
    );
  }
  return listen(createServer(options.onSocket), options);
}

/** Something about the certificates of the port itself. */
export interface TlsPortEvents {
  readonly onRenewed: () => void;
  readonly onCertificateProblem: (problem: string) => void;
}

/** Renewed certificates are shown to clients that connect from then on; those that are connected stay. */
export async function listenTls(
  options: ListenerOptions,
  files: TlsFiles,
  runtime: Runtime,
  events: TlsPortEvents,
): Promise<Listener> {
  let server: TlsServer | null = null;
  const watch = watched(files, runtime, {
    onRenewed: (material) => {
      server?.setSecureContext(contextOf(material));
      events.onRenewed();
    },
    onProblem: events.onCertificateProblem,
  });
  try {
    server = createTlsServer(
      { ...contextOf(watch.current), handshakeTimeout: options.handshakeTimeoutMs },
      options.onSocket,
    );
    server.on('tlsClientError', (error: Error, socket: Socket) =>
      options.onProblem(error.message, socket.remoteAddress ?? '?'),
    );
    const listener = await listen(server, options);
    return {
      port: listener.port,
      close: () => {
        watch.close();
        listener.close();
      },
    };
  } catch (error) {
    watch.close();
    throw error;
  }
}

function watched(
  files: TlsFiles,
  runtime: Runtime,
  told: Pick<ConstructorParameters<typeof TlsFileWatch>[0], 'onRenewed' | 'onProblem'>,
): TlsFileWatch {
  try {
    return new TlsFileWatch({ files: () => files, runtime, ...told });
  } catch (error) {
    if (!(error instanceof TlsFileError)) throw error;
    const setting = error.file === null ? 'coordinator.tls' : `coordinator.tls.${error.file}`;
    throw new CoordinatorError('tls', `${setting}: ${error.message}`, error);
  }
}

/** A client without a certificate of that CA is turned away before it can say a word. */
function contextOf({ cert, key, ca }: TlsMaterial): TlsOptions {
  return { cert, key, ca, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.2' };
}

function listen(server: Server, options: ListenerOptions): Promise<Listener> {
  // Some more than are served, so that operators' words get through when all places are taken.
  server.maxConnections = options.maxConnections + 16;
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explain(error, options)));
    server.listen({ host: options.host, port: options.port }, () => {
      server.on('error', (error) => options.onProblem(error.message, options.host));
      const bound = server.address();
      resolve({ port: typeof bound === 'object' && bound ? bound.port : options.port, close: () => server.close() });
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
