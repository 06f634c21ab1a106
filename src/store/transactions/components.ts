/** This process's records in the component registry: ephemeral, versioned, registered anew after a lost session. */
import { type ComponentRecord, encodeComponent, parseComponent } from '../../records/component.ts';
import { BadVersionError, NoNodeError, removeContender, SessionExpiredError } from '@nodepool/zookeeper';
import { giveWay, isUnknownOutcome } from './unknown-outcome.ts';
import { lastName, paths } from '../paths.ts';
import type { Store } from '../mirrors/store.ts';

interface Registered {
  readonly path: string;
  version: number;
  readonly sessionId: bigint;
}

export class ComponentHandle {
  private readonly store: Store;
  private record: ComponentRecord;
  private registered: Registered | null = null;
  private work: Promise<void> = Promise.resolve();
  private closed = false;
  private doubtful = false;
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
    const made = handle.create();
    // A new session meanwhile must not lead to a second creation beside this one.
    handle.enqueue(() => made);
    try {
      await made;
      return handle;
    } catch (error) {
      await handle.unregister();
      throw error;
    }
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

  /** For whose session is about to end: what is left then goes with it. */
  async unregister(): Promise<void> {
    await this.close();
    if (this.registered) await this.store.client.delete(this.registered.path).catch(() => undefined);
  }

  /** While the session lives on: others would wait for a pool that is no more, so it is tried until it is gone. */
  async withdraw(): Promise<void> {
    await this.close();
    const { client } = this.store;
    if (this.doubtful && this.registered?.sessionId !== client.sessionId) {
      const found = await this.findCertainly();
      if (found) this.registered = found;
    }
    if (this.registered) await removeContender(client, this.registered.path, this.registered.sessionId);
  }

  private async close(): Promise<void> {
    this.closed = true;
    this.offSync();
    await this.work;
  }

  private enqueue(step: () => Promise<void>): void {
    this.work = this.work.then(step).catch(() => undefined);
  }

  private async create(): Promise<void> {
    const { client } = this.store;
    const parent = paths.component(this.record.kind);
    while (!this.closed && this.registered?.sessionId !== client.sessionId && client.state !== 'closed') {
      try {
        await client.ensurePath(parent);
        if (await this.adopt(parent)) return;
        const data = encodeComponent(this.record);
        const made = await client.create(`${parent}/${this.record.hostname}`, data, { mode: 'ephemeral-sequential' });
        this.registered = { path: made.path, version: made.stat.version, sessionId: client.sessionId };
        const { kind } = this.record;
        this.store.components.mirror.ownCreate(`${kind}/${lastName(made.path)}`, parseComponent(kind, data), made.stat);
        return;
      } catch (error) {
        if (!(isUnknownOutcome(error) || error instanceof SessionExpiredError)) throw error;
        this.doubtful = true;
        await giveWay();
      }
    }
  }

  /** A creation whose answer was lost may have been made: one pool must not stand there twice. */
  private async adopt(parent: string): Promise<boolean> {
    if (!this.doubtful) return false;
    const found = await this.find(parent);
    this.doubtful = false;
    if (!found) return false;
    this.registered = found;
    await this.write();
    return true;
  }

  private async find(parent: string): Promise<Registered | null> {
    const { client } = this.store;
    const { sessionId } = client;
    // A server that was joined just now may not have it yet.
    await client.sync(parent);
    const { children } = await client.children(parent);
    for (const name of children.filter((child) => child.startsWith(this.record.hostname))) {
      const path = `${parent}/${name}`;
      const found = await client.get(path).catch((error: unknown) => {
        if (error instanceof NoNodeError) return null;
        throw error;
      });
      if (!found || found.stat.ephemeralOwner !== sessionId) continue;
      if (parseComponent(this.record.kind, found.data)?.id !== this.record.id) continue;
      return { path, version: found.stat.version, sessionId };
    }
    return null;
  }

  private async findCertainly(): Promise<Registered | null> {
    const { client } = this.store;
    const { sessionId } = client;
    while (client.sessionId === sessionId && client.state !== 'closed') {
      try {
        return await this.find(paths.component(this.record.kind));
      } catch (error) {
        if (!isUnknownOutcome(error)) throw error;
        await giveWay();
      }
    }
    return null;
  }

  private async write(): Promise<void> {
    const { client } = this.store;
    while (!this.closed && this.registered?.sessionId === client.sessionId && client.state !== 'closed') {
      const { registered } = this;
      try {
        const stat = await client.set(registered.path, encodeComponent(this.record), registered.version);
        registered.version = stat.version;
        return;
      } catch (error) {
        if (error instanceof NoNodeError) return;
        if (!(error instanceof BadVersionError || isUnknownOutcome(error))) throw error;
      }
      // Nobody else writes our record: the version is that of a write of ours whose answer was lost.
      const stat = await client.exists(registered.path).catch((error: unknown) => {
        if (isUnknownOutcome(error)) return undefined;
        throw error;
      });
      if (stat === null) return;
      if (stat) registered.version = stat.version;
      else await giveWay();
    }
  }
}
