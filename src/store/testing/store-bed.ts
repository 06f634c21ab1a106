/** An embedded coordinator in this process, stores on it, and clients that lose answers on demand. For tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRuntime } from '../../base/runtime.ts';
import { ConnectionLossError, createZooKeeper, type ZooKeeper } from '@nodepool/zookeeper';
import { type Coordinator, startCoordinator } from '@nodepool/zookeeper/server';
import { FaultProxy } from '@nodepool/zookeeper/internal/testing/fault-proxy';
import { Operations } from '../transactions/operations.ts';
import { Store } from '../mirrors/store.ts';

interface Logged {
  readonly fields: object;
  readonly message: string;
}

type Method = 'multi' | 'set' | 'create' | 'get' | 'children';

interface Plan {
  readonly method: Method;
  readonly applied: boolean;
  readonly answered: boolean;
  readonly then: (() => Promise<unknown>) | undefined;
}

/** A client of which single calls fail as if the connection had broken, after or before they took effect. */
class Flaky {
  readonly client: ZooKeeper;
  private readonly plans: Plan[] = [];

  constructor(real: ZooKeeper) {
    this.client = new Proxy(real, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => this.call(target, name as Method, value as (...a: unknown[]) => unknown, args);
      },
    });
  }

  /** The next call of `method` fails; `applied`: it took effect all the same, and then `then` happens. */
  lose(method: Method, applied: boolean, then?: () => Promise<unknown>): void {
    this.plans.push({ method, applied, answered: false, then });
  }

  /** The next call of `method` goes through; what is planned for it comes after that. */
  spare(method: Method): void {
    this.plans.push({ method, applied: true, answered: true, then: undefined });
  }

  get planned(): number {
    return this.plans.length;
  }

  private call(target: ZooKeeper, name: Method, method: (...a: unknown[]) => unknown, args: unknown[]): unknown {
    const at = this.plans.findIndex((plan) => plan.method === name);
    const [plan] = at < 0 ? [] : this.plans.splice(at, 1);
    if (!plan || plan.answered) return method.apply(target, args);
    return (async () => {
      if (plan.applied) await method.apply(target, args);
      await plan.then?.();
      throw new ConnectionLossError();
    })();
  }
}

export interface Side {
  readonly real: ZooKeeper;
  readonly flaky: Flaky;
  readonly store: Store;
  readonly operations: Operations;
  readonly logged: Logged[];
}

export class StoreBed {
  readonly coordinator: Coordinator;
  /** A client without a store: the consumer, the peer, the operator. */
  readonly zk: ZooKeeper;
  private readonly directory: string;
  private readonly closers: (() => Promise<unknown>)[] = [];

  private constructor(coordinator: Coordinator, directory: string) {
    this.coordinator = coordinator;
    this.directory = directory;
    this.zk = this.connect();
  }

  static async open(): Promise<StoreBed> {
    const directory = mkdtempSync(join(tmpdir(), 'store-'));
    const coordinator = await startCoordinator({ dataDir: directory, runtime: systemRuntime });
    const bed = new StoreBed(coordinator, directory);
    for (const name of ['requests', 'requests-lock', 'nodes']) await bed.zk.ensurePath(`/nodepool/${name}`);
    return bed;
  }

  connect(port = this.coordinator.address.port!, sessionTimeoutMs = 10_000): ZooKeeper {
    const client = createZooKeeper({ servers: [{ host: '127.0.0.1', port }], sessionTimeoutMs });
    this.closers.push(() => client.close());
    return client;
  }

  /** Cuts a side off with `refuse` until its session, of one second, has expired. */
  async mortalSide(): Promise<Side & { readonly proxy: FaultProxy }> {
    const proxy = await FaultProxy.open({ host: '127.0.0.1', port: this.coordinator.address.port! });
    this.closers.push(() => proxy.close());
    return { ...(await this.side(this.connect(proxy.address.port, 1000))), proxy };
  }

  async side(real = this.connect()): Promise<Side> {
    const flaky = new Flaky(real);
    const logged: Logged[] = [];
    const note = (fields: object, message: string) => logged.push({ fields, message });
    const store = await Store.open({ client: flaky.client, runtime: systemRuntime, log: { warn: note, error: note } });
    this.closers.unshift(() => store.close());
    return { real, flaky, store, operations: new Operations(store), logged };
  }

  /** How many transactions `work` takes. */
  async transactions(work: () => Promise<unknown>): Promise<number> {
    const before = await this.zxid();
    await work();
    return Number((await this.zxid()) - before) - 1;
  }

  async children(path: string): Promise<readonly string[] | null> {
    return (await this.zk.exists(path)) === null ? null : (await this.zk.children(path)).children;
  }

  async json(path: string): Promise<Record<string, unknown>> {
    return JSON.parse((await this.zk.get(path)).data.toString()) as Record<string, unknown>;
  }

  async close(): Promise<void> {
    for (const close of this.closers) await close();
    await this.coordinator.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async zxid(): Promise<bigint> {
    return (await this.zk.create('/probe-', new Uint8Array(), { mode: 'persistent-sequential' })).stat.czxid;
  }
}
