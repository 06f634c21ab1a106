/** The embedded server as a whole: data directory, engine, ports. `docs/architecture.md` D1 says when it is used. */
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer } from 'node:tls';
import type { Runtime } from '../../runtime.ts';
import type { Connector } from '../client/transport.ts';
import { streamPair } from '../client/transport.ts';
import { Connection, type ConnectionLimits } from './connection.ts';
import { type Address, CoordinatorError, lockDataDirectory, removeAddress, writeAddress } from './data-directory.ts';
import { Engine, type EngineLimits } from './engine.ts';
import { answerWord } from './four-letter-words.ts';

export interface CoordinatorOptions {
  readonly dataDir: string;
  /** Address of the TLS port; the plain port is on loopback only. */
  readonly listen?: string;
  /** Plain port; 0 for any free one, null for none. */
  readonly port?: number | null;
  /** TLS port, clients must show a certificate of `tls.ca`; null for none. */
  readonly tlsPort?: number | null;
  /** Paths of PEM files. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string } | null;
  readonly runtime: Runtime;
  readonly log: (message: string, fields?: object) => void;
  readonly limits?: Partial<EngineLimits & ConnectionLimits> & { readonly maxConnections?: number };
  /** Largest size of the data file. */
  readonly mapSizeBytes?: number;
}

export interface Coordinator {
  readonly address: Address;
  /** Connects a client of the same process without a socket. */
  readonly connector: Connector;
  close(): Promise<void>;
}

const defaults = {
  minSessionTimeoutMs: 1000,
  maxSessionTimeoutMs: 300_000,
  maxDataBytes: 1024 * 1024,
  maxFrameBytes: 16 * 1024 * 1024,
  maxOutstanding: 5000,
  handshakeTimeoutMs: 10_000,
  maxConnections: 2000,
};

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

export async function startCoordinator(o: CoordinatorOptions): Promise<Coordinator> {
  const host = o.listen ?? '127.0.0.1';
  const port = o.port === undefined ? 0 : o.port;
  const tlsPort = o.tlsPort ?? null;
  if (tlsPort !== null && !o.tls) throw new CoordinatorError('tls', 'a TLS port needs a certificate, a key and a CA (coordinator.tls)');
  if (tlsPort === null && !loopback.has(host)) {
    throw new CoordinatorError('not-loopback', `without TLS the coordinator listens on loopback only, not on ${host}`);
  }
  const lock = await lockDataDirectory(o.dataDir);
  try {
    return await open(o, lock, host, port, tlsPort);
  } catch (error) {
    lock.close();
    throw error;
  }
}

async function open(o: CoordinatorOptions, lock: Server, host: string, port: number | null, tlsPort: number | null): Promise<Coordinator> {
  const limits = { ...defaults, ...o.limits };
  const connections = new Set<Connection>();
  const engine = new Engine({
    file: join(o.dataDir, 'data.mdb'),
    runtime: o.runtime,
    limits,
    ...(o.mapSizeBytes === undefined ? {} : { mapSizeBytes: o.mapSizeBytes }),
    onDurable: (zxid) => {
      for (const connection of connections) connection.release(zxid);
    },
    onFailure: (error) => {
      o.log(`the data can't be written any more: ${error.message}; nothing is acknowledged until the coordinator is restarted with space in ${o.dataDir}`);
      // Answers that wait for the disk will never be true.
      for (const connection of connections) connection.destroy();
    },
  });
  const accept = (stream: Duplex, remote: string) => {
    if (connections.size >= limits.maxConnections || engine.storage.failure) {
      stream.destroy();
      return;
    }
    const connection = new Connection({
      stream,
      remote,
      engine,
      limits,
      runtime: o.runtime,
      word: (name) => answerWord(name, { engine, connections, port, dataDir: o.dataDir }),
      onClose: (closed) => connections.delete(closed),
    });
    connections.add(connection);
  };
  const onSocket = (socket: Socket) => {
    socket.setNoDelay(true);
    accept(socket, `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`);
  };
  const servers: Server[] = [];
  try {
    const plain = port === null ? null : await listen(createServer(onSocket), loopback.has(host) ? host : '127.0.0.1', port, servers);
    const secure = tlsPort === null ? null : await listen(createTlsServer(tlsOptions(o.tls!), onSocket), host, tlsPort, servers);
    const address = { pid: process.pid, host, port: plain, tlsPort: secure };
    writeAddress(o.dataDir, address);
    return {
      address,
      connector: () => {
        const [near, far] = streamPair();
        accept(far, 'in-process:0');
        return Promise.resolve(near);
      },
      close: async () => {
        removeAddress(o.dataDir);
        for (const server of servers) server.close();
        for (const connection of connections) connection.destroy();
        await engine.close();
        await new Promise((resolve) => lock.close(resolve));
      },
    };
  } catch (error) {
    for (const server of servers) server.close();
    await engine.close();
    throw error;
  }
}

function tlsOptions(files: { cert: string; key: string; ca: string }) {
  const read = (what: string, path: string) => {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new CoordinatorError('tls', `coordinator.tls.${what}: ${path} can't be read: ${String(error)}`, error);
    }
  };
  return {
    cert: read('cert', files.cert),
    key: read('key', files.key),
    ca: read('ca', files.ca),
    requestCert: true,
    rejectUnauthorized: true,
  };
}

function listen(server: Server, host: string, port: number, servers: Server[]): Promise<number> {
  return new Promise((resolve, reject) => {
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') {
        reject(new CoordinatorError('port-in-use', `port ${port} on ${host} is in use; choose another one (coordinator.port, coordinator.tls-port)`, error));
      } else reject(error);
    });
    server.listen({ host, port }, () => {
      servers.push(server);
      const bound = server.address();
      resolve(typeof bound === 'object' && bound ? bound.port : port);
    });
  });
}
