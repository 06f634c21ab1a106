/** This process's records in the component registry: ephemeral, versioned, registered anew after a lost session. */
import { type ComponentRecord, encodeComponent } from '../records/component.ts';
import { BadVersionError, NoNodeError } from '../zookeeper/client/errors.ts';
import { lastName, paths } from './paths.ts';
import type { Store } from './store.ts';

export class ComponentHandle {
  private readonly store: Store;
  private record: ComponentRecord;
  private registered: { path: string; version: number; sessionId: bigint } | null = null;
  private work: Promise<void> = Promise.resolve();
  private closed = false;
  private readonly offSync: () => void;

  private constructor(store: Store, record: ComponentRecord) {
    this.store = store;
    this.record = record;
    this.offSync = store.client.onState((state) => {
      if (state === 'connected' && this.registered?.sessionId !== store.client.sessionId)
        this.enqueue(() => this.create());
    });
  }

  static async register(store: Store, record: ComponentRecord): Promise<ComponentHandle> {
    const handle = new ComponentHandle(store, record);
    await handle.create();
    return handle;
  }

  /** An equal value writes nothing. */
  update(changes: Partial<ComponentRecord>): void {
    const next = { ...this.record, ...changes };
    if (encodeComponent(next).equals(encodeComponent(this.record))) return;
    this.record = next;
    this.enqueue(() => this.write());
  }

  get current(): ComponentRecord {
    return this.record;
  }

  async unregister(): Promise<void> {
    this.closed = true;
    this.offSync();
    await this.work;
    if (this.registered) await this.store.client.delete(this.registered.path).catch(() => undefined);
  }

  private enqueue(step: () => Promise<void>): void {
    this.work = this.work.then(step).catch(() => undefined);
  }

  private async create(): Promise<void> {
    const { client } = this.store;
    if (this.closed || this.registered?.sessionId === client.sessionId) return;
    const parent = paths.component(this.record.kind);
    await client.ensurePath(parent);
    const { sessionId } = client;
    const data = encodeComponent(this.record);
    const made = await client.create(`${parent}/${this.record.hostname}`, data, { mode: 'ephemeral-sequential' });
    this.registered = { path: made.path, version: made.stat.version, sessionId };
    this.store.components.mirror.ownCreate(`${this.record.kind}/${lastName(made.path)}`, data, made.stat);
  }

  private async write(): Promise<void> {
    const { registered } = this;
    if (!registered || this.closed) return;
    try {
      const stat = await this.store.client.set(registered.path, encodeComponent(this.record), registered.version);
      registered.version = stat.version;
    } catch (error) {
      if (error instanceof NoNodeError) return;
      if (!(error instanceof BadVersionError)) throw error;
      const stat = await this.store.client.exists(registered.path);
      if (stat) registered.version = stat.version;
    }
  }
}
