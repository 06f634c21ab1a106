/** Byte streams to a server: TCP, TLS, or a pair of streams within the process. */
import { connect as connectTcp } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { ServerAddress } from '../../contract/types.ts';

export interface TlsOptions {
  /** PEM texts. */
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly ca: string | Buffer;
  /** The chain is always checked against `ca`; this adds the check of the host name. Default: true. */
  readonly verifyHostname?: boolean;
}

/** Opens a connected stream, or rejects; must give up when the signal fires. */
export type Connector = (server: ServerAddress, signal: AbortSignal) => Promise<Duplex>;

export function tcpConnector(): Connector {
  return (server, signal) => {
    const socket = connectTcp({ host: server.host, port: server.port, noDelay: true, signal });
    return once(socket, 'connect');
  };
}

/** `read` is asked at each connection, so that renewed certificates are taken up. */
export function tlsConnector(read: () => TlsOptions | Promise<TlsOptions>): Connector {
  return async (server, signal) => {
    const tls = await read();
    const tcp = connectTcp({ host: server.host, port: server.port, noDelay: true, signal });
    const socket = connectTls({
      socket: tcp,
      host: server.host,
      cert: tls.cert,
      key: tls.key,
      ca: tls.ca,
      // Not left to the environment (NODE_TLS_REJECT_UNAUTHORIZED).
      rejectUnauthorized: true,
      ...(tls.verifyHostname === false ? { checkServerIdentity: () => undefined } : {}),
    });
    // A reset may be reported more than once, by either of the two.
    tcp.on('error', (error) => socket.destroy(error));
    return once(socket, 'secureConnect');
  };
}

function once(stream: Duplex, event: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const fail = (error?: Error) => reject(error ?? new Error('the connection was closed'));
    // Stays: an error that nobody listens to would end the process.
    stream.on('error', fail);
    stream.once('close', fail);
    stream.once(event, () => {
      stream.off('close', fail);
      resolve(stream);
    });
  });
}

/** Two streams, each the other's end. */
export function streamPair(): [Duplex, Duplex] {
  const ends: Duplex[] = [];
  const make = (other: () => Duplex) =>
    new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        setImmediate(() => {
          if (!other().destroyed) other().push(chunk);
          done();
        });
      },
      final(done) {
        if (!other().destroyed) other().push(null);
        done();
      },
      destroy(error, done) {
        setImmediate(() => other().destroy());
        done(error);
      },
    });
  ends.push(make(() => ends[1]!));
  ends.push(make(() => ends[0]!));
  return [ends[0]!, ends[1]!];
}
