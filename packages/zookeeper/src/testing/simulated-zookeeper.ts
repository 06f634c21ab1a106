/**
 * A whole ZooKeeper in memory for simulations and tests: the embedded server's engine without files and sockets, reached by
 * the real client over simulated connections. All time and chance come from the runtime and `random` that are handed in,
 * so that a run under a virtual runtime is repeated exactly by its seed.
 *
 *   const zk = new SimulatedZooKeeper({ runtime, random });
 *   const client = createZooKeeper(zk.clientOptions('launcher-1'));
 *   zk.faults.rates.lostAfterCommit = 0.01;                        // chance of each request
 *   zk.faults.next('lost-before-commit', (r) => r.operation === 'multi');
 *   zk.changeLeader(2000);                                         // all connections cut, state and sessions kept
 *   zk.expire('launcher-1'); zk.cut('launcher-1'); zk.partition('launcher-1'); zk.heal('launcher-1');
 *   zk.snapshot();                                                 // every znode below /, at this moment
 */
import type { Runtime } from '../runtime/runtime.ts';
import type { ZooKeeperOptions } from '../client/options.ts';
import type { Connector } from '../client/session/transport.ts';
import type { Transaction } from '../server/tree/database.ts';
import { Engine, type EngineLimits } from '../server/tree/engine.ts';
import type { Znode } from '../server/tree/znode.ts';
import { MemoryPersistence } from './memory-persistence.ts';
import { SimulatedConnection } from './simulated-connection.ts';
import { SimulatedFaults } from './simulated-faults.ts';

export interface SimulatedZooKeeperOptions {
  readonly runtime: Runtime;
  /** Uniform in [0, 1); default: the runtime's. */
  readonly random?: () => number;
  /** One way. */
  readonly latencyMs?: { readonly least: number; readonly most: number };
  readonly commitMs?: { readonly least: number; readonly most: number };
  readonly limits?: Partial<EngineLimits>;
  /**
   * Each transaction that changes znodes, at the moment when the tree has changed and before anybody is told. `by` is the
   * client that asked for it; null: the server itself, at the end of a session for one.
   */
  readonly onTransaction?: (transaction: Transaction, by: string | null) => void;
  /** One line for each connection, request, fault and transaction: equal for equal runs. */
  readonly onTrace?: (line: string) => void;
}

export interface SnapshotEntry {
  readonly data: Buffer;
  readonly version: number;
  /** Session of an ephemeral, 0n otherwise. */
  readonly ephemeralOwner: bigint;
  readonly czxid: bigint;
  readonly mzxid: bigint;
}

const defaultLimits: EngineLimits = {
  minSessionTimeoutMs: 1000,
  maxSessionTimeoutMs: 300_000,
  maxDataBytes: 1024 * 1024,
  containerCheckMs: 1000,
};

export class SimulatedZooKeeper {
  readonly faults: SimulatedFaults;
  private readonly options: SimulatedZooKeeperOptions;
  private readonly runtime: Runtime;
  private readonly random: () => number;
  private readonly engine: Engine;
  private storage: MemoryPersistence | null = null;
  private readonly connections = new Set<SimulatedConnection>();
  /** Clients that nothing passes to and from, with the connections that they had. */
  private readonly partitioned = new Map<string, readonly SimulatedConnection[]>();
  private readonly banned = new Set<string>();
  /** Whose request is being performed. */
  private writer: string | null = null;

  constructor(options: SimulatedZooKeeperOptions) {
    this.options = options;
    this.runtime = options.runtime;
    this.random = options.random ?? (() => options.runtime.random());
    this.faults = new SimulatedFaults(this.random);
    const commitMs = options.commitMs ?? { least: 1, most: 5 };
    this.engine = new Engine(
      {
        runtime: options.runtime,
        openStorage: (hooks) => {
          this.storage = new MemoryPersistence({
            ...hooks,
            commitMs: () => this.between(commitMs),
            onTransaction: (transaction) => this.changed(transaction),
          });
          return this.storage;
        },
        onFailure: () => {
          for (const connection of this.connections) connection.destroy();
        },
        onRecovery: () => undefined,
      },
      { ...defaultLimits, ...options.limits },
    );
  }

  /** For createZooKeeper. `name` is what faults and traces call this client. */
  clientOptions(name: string): Pick<ZooKeeperOptions, 'servers' | 'connector' | 'runtime'> {
    return { servers: [{ host: 'simulated', port: 2181 }], connector: this.connector(name), runtime: this.runtime };
  }

  connector(name: string): Connector {
    return (_server, signal) =>
      new Promise((resolve, reject) => {
        const onAbort = () => {
          timer.cancel();
          reject(signal.reason as Error);
        };
        const arrive = () => {
          // Nobody answers; the client gives up after its own time.
          if (this.partitioned.has(name)) return;
          signal.removeEventListener('abort', onAbort);
          if (this.banned.has(name) || this.storage!.failure !== null) reject(new Error('connection refused'));
          else resolve(this.accept(name).stream);
        };
        const timer = this.runtime.setTimer(this.latencyMs(), arrive);
        signal.addEventListener('abort', onAbort, { once: true });
      });
  }

  // --- faults that are not about one request

  /** Ends all sessions of that client as if their time were up. True when there was one. */
  expire(name: string): boolean {
    const sessions = this.of(name).flatMap((c) => c.session?.id ?? []);
    for (const id of sessions) {
      this.faults.count('session-expired');
      this.trace(`${name} expires`);
      this.engine.expire(id);
    }
    return sessions.length > 0;
  }

  expireSession(id: bigint): boolean {
    const known = this.engine.expire(id);
    if (known) this.faults.count('session-expired');
    return known;
  }

  /** Resets the connections of that client, or of all; they may come back at once. */
  cut(name?: string): void {
    this.faults.count('cut');
    this.trace(`${name ?? 'everybody'} is cut off`);
    for (const connection of name === undefined ? this.connections : this.of(name)) connection.destroy();
  }

  /** Half-open: nothing passes between that client and the server, nobody is told, until `heal`. */
  partition(name: string): void {
    this.faults.count('partition');
    this.trace(`${name} is partitioned`);
    if (this.partitioned.has(name)) return;
    const connections = this.of(name);
    this.partitioned.set(name, connections);
    for (const connection of connections) connection.freeze();
  }

  heal(name: string): void {
    this.trace(`${name} is healed`);
    const connections = this.partitioned.get(name) ?? [];
    this.partitioned.delete(name);
    this.banned.delete(name);
    for (const connection of connections) connection.thaw();
  }

  /** As when that client's process is killed: its connections end, its session runs out, it never comes back (until `heal`). */
  ban(name: string): void {
    this.trace(`${name} is gone`);
    this.banned.add(name);
    for (const connection of this.of(name)) connection.destroy();
  }

  /** As `ban`, but the client itself is not told either: what is left of it hears nothing any more. */
  kill(name: string): void {
    this.trace(`${name} is killed`);
    const connections = this.of(name);
    this.partitioned.set(name, connections);
    this.banned.add(name);
    for (const connection of connections) {
      connection.freeze();
      connection.destroy();
    }
  }

  /** No leader for that long: all connections are cut, new ones refused; state and sessions stay, all clocks start anew. */
  changeLeader(downMs: number): void {
    const storage = this.storage!;
    if (storage.failure !== null) return;
    this.faults.count('leader-change');
    this.trace(`no leader for ${downMs} ms`);
    storage.fail('there is no leader');
    this.runtime.setTimer(downMs, () => {
      this.trace('a new leader');
      storage.recover();
    });
  }

  // --- what is there

  /** Every znode of the clients, by path, in order. Not a copy of the data. */
  snapshot(): ReadonlyMap<string, SnapshotEntry> {
    const nodes = [...this.engine.database.nodes.values()].filter((n) => !isBuiltIn(n.path));
    nodes.sort((a, b) => (a.path < b.path ? -1 : 1));
    return new Map(nodes.map((n) => [n.path, entryOf(n)]));
  }

  /** null where there is none. */
  read(path: string): SnapshotEntry | null {
    const node = this.engine.database.nodes.get(path);
    return node ? entryOf(node) : null;
  }

  /** Names, in order of creation. */
  childrenOf(path: string): string[] {
    return [...(this.engine.database.nodes.get(path)?.children ?? [])];
  }

  /** Ids of the sessions that are alive. */
  sessions(): bigint[] {
    return [...this.engine.sessions.byId.keys()];
  }

  get zxid(): bigint {
    return this.engine.database.zxid;
  }

  async close(): Promise<void> {
    for (const connection of this.connections) connection.destroy();
    await this.engine.close();
  }

  // --- inside

  private accept(name: string): SimulatedConnection {
    this.trace(`${name} connects`);
    const connection = new SimulatedConnection({
      engine: this.engine,
      runtime: this.runtime,
      name,
      latencyMs: () => this.latencyMs(),
      faultOf: (request) => this.faults.of(request),
      onRequest: ({ client, operation, paths }, fault) =>
        this.trace(`${client} ${operation} ${paths.join(' ')}${fault ? ` [${fault.kind}]` : ''}`),
      perform: (from, frame) => {
        this.writer = from.name;
        this.engine.request(from, frame);
        this.writer = null;
      },
      onClose: (closed) => {
        this.connections.delete(closed);
        this.trace(`${name} is disconnected`);
      },
    });
    this.connections.add(connection);
    return connection;
  }

  private of(name: string): SimulatedConnection[] {
    return [...this.connections].filter((connection) => connection.name === name);
  }

  private changed(transaction: Transaction): void {
    if (this.options.onTrace) {
      const events = transaction.events.map((e) => `${e.type} ${e.path}`).join(', ');
      this.trace(`zxid ${transaction.zxid}: ${events || 'no events'}`);
    }
    this.options.onTransaction?.(transaction, this.writer);
  }

  private trace(text: string): void {
    this.options.onTrace?.(`${this.runtime.monotonicMs().toFixed(3)} ${text}`);
  }

  private latencyMs(): number {
    return this.between(this.options.latencyMs ?? { least: 0.2, most: 2 });
  }

  private between({ least, most }: { readonly least: number; readonly most: number }): number {
    return least + (most - least) * this.random();
  }
}

const isBuiltIn = (path: string) => path === '/' || path === '/zookeeper' || path.startsWith('/zookeeper/');

function entryOf(node: Znode): SnapshotEntry {
  return {
    data: node.data ?? Buffer.alloc(0),
    version: node.version,
    ephemeralOwner: node.ephemeralOwner > 0n ? node.ephemeralOwner : 0n,
    czxid: node.czxid,
    mzxid: node.mzxid,
  };
}
