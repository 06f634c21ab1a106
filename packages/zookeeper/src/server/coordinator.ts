/** The embedded server as a whole: data directory, engine, ports. README.md says what it is and what it is not. */
import type { Duplex } from 'node:stream';
import { type Logger, silent } from '../contract/logger.ts';
import { type Runtime, systemRuntime } from '../runtime/runtime.ts';
import { type Connector, streamPair } from '../client/session/transport.ts';
import { ClientConnection, type ConnectionLimits } from './connection.ts';
import { CoordinatorError } from './storage/coordinator-error.ts';
import { type Address, dataFile, prepareDataDirectory, removeAddress, writeAddress } from './storage/data-directory.ts';
import { lockDataDirectory } from './storage/directory-lock.ts';
import { Engine, type EngineLimits } from './tree/engine.ts';
import { answerWord, type WordContext } from './four-letter-words.ts';
import { isLoopback, type Listener, type ListenerOptions, listenPlain, listenTls } from './listener.ts';
import { type Lmdb, type LmdbPackage, loadLmdb } from './storage/lmdb.ts';
import { Storage } from './storage/storage.ts';
import { Traffic } from './traffic.ts';
import type { TlsFiles } from '../client/tls-files.ts';

export type CoordinatorLimits = EngineLimits &
  ConnectionLimits & {
    readonly maxConnections: number;
    /** The data file takes over from the journal when this has grown so far. */
    readonly journalBytes: number;
  };

export interface CoordinatorOptions {
  /** Made where it is missing, for its owner alone. One server at a time. */
  readonly dataDir: string;
  /** Address of the TLS port; the plain port is on loopback, whatever this says. Default: 127.0.0.1. */
  readonly listen?: string;
  /** Plain port; 0 (the default) for any free one, null for none. */
  readonly port?: number | null;
  /** TLS port, clients must show a certificate of `tls.ca`; 0 for any free one, null (the default) for none. */
  readonly tlsPort?: number | null;
  /** Paths of PEM files. */
  readonly tls?: TlsFiles | null;
  readonly limits?: Partial<CoordinatorLimits>;
  /** The package lmdb. Default: the one that is installed beside this library. */
  readonly lmdb?: LmdbPackage;
  /** Told of clients that are turned away, of renewed certificates, and of a disk that fails. Default: silent. */
  readonly log?: Logger;
  /** Clock, timers and randomness. Default: the machine's. */
  readonly runtime?: Runtime;
}

export interface Coordinator {
  readonly address: Address;
  /** Connects a client of the same process without a socket. */
  readonly connector: Connector;
  /** What is acknowledged is on the disk already; the rest is written as far as possible. Sessions live on. */
  close(): Promise<void>;
}

const closePatienceMs = 500;

const defaults: CoordinatorLimits = {
  minSessionTimeoutMs: 1000,
  maxSessionTimeoutMs: 300_000,
  maxDataBytes: 1024 * 1024,
  containerCheckMs: 1000,
  // Apache's, and a little more, so that the largest data fits.
  maxFrameBytes: 1024 * 1024 + 64 * 1024,
  maxOutstanding: 5000,
  maxOutstandingBytes: 4 * 1024 * 1024,
  maxQueuedBytes: 64 * 1024 * 1024,
  handshakeTimeoutMs: 10_000,
  maxConnections: 2000,
  journalBytes: 16 * 1024 * 1024,
};

export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const { dataDir, runtime = systemRuntime, log = silent } = options;
  const listenOn = options.listen ?? '127.0.0.1';
  const tlsPort = options.tlsPort ?? null;
  if (tlsPort !== null && !options.tls)
    throw new CoordinatorError('tls', 'a TLS port needs a certificate, a key and a CA (coordinator.tls)');
  if (tlsPort === null && !isLoopback(listenOn)) {
    throw new CoordinatorError(
      'not-loopback',
      `without TLS the coordinator listens on loopback only, not on ${listenOn} (coordinator.listen)`,
    );
  }
  prepareDataDirectory(dataDir);
  const lock = await lockDataDirectory(dataDir, runtime);
  try {
    const lmdb = await loadLmdb(options.lmdb);
    const running = new RunningCoordinator({ runtime, log, lmdb, unlock: () => lock.release() }, options);
    await running.open(isLoopback(listenOn) ? listenOn : '127.0.0.1', listenOn);
    return running;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

interface CoordinatorDeps {
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly lmdb: Lmdb;
  /** Gives the data directory back. */
  readonly unlock: () => Promise<void>;
}

class RunningCoordinator implements Coordinator {
  readonly connector: Connector = () => {
    const [near, far] = streamPair();
    this.accept(far, 'in-process:0', null);
    return Promise.resolve(near);
  };
  private readonly deps: CoordinatorDeps;
  private readonly options: CoordinatorOptions;
  private readonly limits: CoordinatorLimits;
  private readonly engine: Engine;
  private readonly traffic = new Traffic();
  private readonly connections = new Set<ClientConnection>();
  private readonly ports = { plain: null as number | null, tls: null as number | null };
  private listeners: Listener[] = [];
  private where: Address | null = null;
  private closing: Promise<void> | null = null;
  private onEmpty: (() => void) | null = null;

  constructor(deps: CoordinatorDeps, options: CoordinatorOptions) {
    const { runtime, log, lmdb } = deps;
    const { dataDir } = options;
    this.deps = deps;
    this.options = options;
    this.limits = { ...defaults, ...options.limits };
    this.engine = new Engine(
      {
        openStorage: (hooks) =>
          new Storage({ ...hooks, lmdb }, { file: dataFile(dataDir), journalBytes: this.limits.journalBytes }),
        runtime,
        onFailure: (reason) => this.failed(reason),
        onRecovery: () => log.info({ dataDir }, 'The coordinator can write again and serves again'),
      },
      this.limits,
    );
  }

  get address(): Address {
    return this.where!;
  }

  async open(plainHost: string, tlsHost: string): Promise<void> {
    try {
      const port = this.options.port === undefined ? 0 : this.options.port;
      const tlsPort = this.options.tlsPort ?? null;
      if (port !== null)
        this.ports.plain = await this.keep(listenPlain(this.listenerOptions(plainHost, port, 'coordinator.port')));
      if (tlsPort !== null) {
        this.ports.tls = await this.keep(
          listenTls(
            this.listenerOptions(tlsHost, tlsPort, 'coordinator.tls-port'),
            this.options.tls!,
            this.deps.runtime,
            {
              onRenewed: () => this.deps.log.info({}, 'Renewed certificates are in force for new connections'),
              onCertificateProblem: (problem) =>
                this.deps.log.error({ problem }, 'The new certificates are refused, the old ones stay in force'),
            },
          ),
        );
      }
      this.where = {
        pid: process.pid,
        host: plainHost,
        port: this.ports.plain,
        tlsHost: reachable(tlsHost),
        tlsPort: this.ports.tls,
      };
      writeAddress(this.options.dataDir, this.where);
    } catch (error) {
      for (const listener of this.listeners) listener.close();
      await this.engine.close();
      throw error;
    }
  }

  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  private async shutDown(): Promise<void> {
    removeAddress(this.options.dataDir);
    for (const listener of this.listeners) listener.close();
    // Answers to what has been written still go out; then nobody is heard any more.
    const ended = this.engine.close();
    for (const connection of this.connections) connection.end();
    await ended;
    await this.emptied(closePatienceMs);
    for (const connection of this.connections) connection.destroy();
    await this.deps.unlock();
  }

  /** Resolves when all clients are gone, or after that time. */
  private emptied(patienceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.deps.runtime.setTimer(patienceMs, resolve);
      this.onEmpty = () => {
        timer.cancel();
        resolve();
      };
      if (this.connections.size === 0) this.onEmpty();
    });
  }

  private async keep(opening: Promise<Listener>): Promise<number> {
    const listener = await opening;
    this.listeners.push(listener);
    return listener.port;
  }

  private listenerOptions(host: string, port: number, setting: string): ListenerOptions {
    return {
      host,
      port,
      setting,
      maxConnections: this.limits.maxConnections,
      handshakeTimeoutMs: this.limits.handshakeTimeoutMs,
      onSocket: (socket) => {
        socket.setNoDelay(true);
        this.accept(socket, `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`, socket.remoteAddress ?? null);
      },
      onProblem: (problem, remote) => this.deps.log.warn({ setting, remote, problem }, 'A client was turned away'),
    };
  }

  private accept(stream: Duplex, remote: string, address: string | null): void {
    const full = this.connections.size >= this.limits.maxConnections;
    if (full || this.closing) {
      stream.on('error', () => undefined);
      stream.destroy();
      if (full)
        this.deps.log.warn(
          { remote, problem: `${this.connections.size} connections are open already` },
          'A client was turned away',
        );
      return;
    }
    const connection = new ClientConnection(
      {
        stream,
        remote,
        address,
        engine: this.engine,
        runtime: this.deps.runtime,
        traffic: this.traffic,
        word: (name) => answerWord(name, this.words),
        onClose: (closed) => {
          this.connections.delete(closed);
          if (this.connections.size === 0) this.onEmpty?.();
        },
        onProblem: (problem, error) =>
          this.deps.log.warn({ remote, problem, ...errorField(error) }, 'A connection was ended'),
      },
      this.limits,
    );
    this.connections.add(connection);
  }

  private get words(): WordContext {
    const { engine, traffic, connections, limits, ports } = this;
    return { engine, traffic, connections, limits, ports, dataDir: this.options.dataDir };
  }

  /** What was not acknowledged never will be: the clients learn that by losing their connections. */
  private failed(reason: string): void {
    const { dataDir } = this.options;
    this.deps.log.error(
      { dataDir, reason },
      `The coordinator can't write to ${dataDir}: ${reason}. Nothing is acknowledged until it can; it goes on trying`,
    );
    for (const connection of this.connections) connection.destroy();
  }
}

/** An address to connect to, for one to listen on. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

function errorField(error: unknown): object {
  return error instanceof Error && !('code' in error) ? { err: error } : {};
}
