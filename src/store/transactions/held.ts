/** Handles on locked requests and nodes: versioned writes that are refused once the lock is lost. */
import { isBroken } from '../../records/broken.ts';
import { encodeNode, type NodeFields, type NodeRecord, parseNode, updateNode } from '../../records/node.ts';
import {
  encodeRequest,
  parseRequest,
  type RequestFields,
  type RequestRecord,
  updateRequest,
} from '../../records/request.ts';
import { type HeldLock, NoNodeError, removeLockDirectory, type Stat } from '@nodepool/zookeeper';
import { type Outcome, type Refused, refused } from './outcome.ts';
import { findContender } from './unknown-outcome.ts';
import { writeVersioned } from './versioned-write.ts';
import { paths } from '../paths.ts';
import type { Store } from '../mirrors/store.ts';
import type { RequestEntry } from '../mirrors/views.ts';

export class HeldNode {
  readonly id: string;
  readonly lock: HeldLock;
  private readonly store: Store;
  private current: { node: NodeRecord; version: number };

  constructor(store: Store, lock: HeldLock, node: NodeRecord, version: number) {
    this.store = store;
    this.id = node.id;
    this.lock = lock;
    this.current = { node, version };
  }

  get held(): boolean {
    return this.lock.held;
  }

  get node(): NodeRecord {
    return this.current.node;
  }

  get version(): number {
    return this.current.version;
  }

  write(fields: NodeFields): Promise<Outcome> {
    return writeVersioned(this.lock, {
      write: () => this.writeOnce(fields),
      readAgain: () => this.readAgain(),
    });
  }

  private async writeOnce(fields: NodeFields): Promise<void> {
    const { client, nodes, runtime } = this.store;
    const next = updateNode(this.node, fields, runtime.nowMs());
    const data = encodeNode(next);
    const own = nodes.mirror.ownWrite(this.id);
    try {
      const stat = await client.set(paths.node(this.id), data, this.version);
      own.committed(next, stat);
      this.wrote(next, stat);
    } catch (error) {
      own.failed();
      throw error;
    }
  }

  private async readAgain(): Promise<Refused | null> {
    const { data, stat } = await this.store.client.get(paths.node(this.id));
    const node = parseNode(this.id, data);
    if (isBroken(node)) return refused('changed');
    this.current = { node, version: stat.version };
    return null;
  }

  /** What a multi that included our write has made of it. */
  wrote(node: NodeRecord, stat: Stat): void {
    this.current = { node, version: stat.version };
  }

  /** Asks ZooKeeper, until it answers, whether the lock is still there. */
  async confirm(): Promise<boolean> {
    if (!this.held) return false;
    const found = await findContender(this.store.client, this.lock.directory, this.lock.contender);
    return found !== 'session' && found.name !== null && this.held;
  }

  async release(): Promise<void> {
    await this.lock.release();
  }
}

export class HeldRequest {
  readonly id: string;
  readonly lock: HeldLock;
  private readonly store: Store;
  private current: RequestEntry & { readonly request: RequestRecord };

  constructor(store: Store, lock: HeldLock, request: RequestRecord, version: number) {
    this.store = store;
    this.id = request.id;
    this.lock = lock;
    this.current = { id: request.id, request, version };
  }

  get held(): boolean {
    return this.lock.held;
  }

  /** The newer of what we have written and what the mirror has seen: consumers may revise a locked request. */
  get entry(): RequestEntry & { readonly request: RequestRecord } {
    const seen = this.store.requests.get(this.id);
    if (seen && !isBroken(seen.request) && seen.version > this.current.version) {
      this.current = { ...seen, request: seen.request };
    }
    return this.current;
  }

  update(fields: RequestFields): Promise<Outcome> {
    return writeVersioned(this.lock, {
      write: () => this.writeOnce(fields),
      readAgain: async () => ((await this.refresh()) ? null : refused('gone')),
    });
  }

  private async writeOnce(fields: RequestFields): Promise<void> {
    const { client, requests, runtime } = this.store;
    const { request, version } = this.entry;
    const next = updateRequest(request, fields, runtime.nowMs());
    const data = encodeRequest(next);
    const own = requests.mirror.ownWrite(this.id);
    try {
      const stat = await client.set(paths.request(this.id), data, version);
      own.committed(next, stat);
      this.wrote(next, stat);
    } catch (error) {
      own.failed();
      throw error;
    }
  }

  wrote(request: RequestRecord, stat: Stat): void {
    this.current = { id: this.id, request, version: stat.version };
  }

  /** Reads the request anew; false when it is gone or can't be read. */
  async refresh(): Promise<boolean> {
    try {
      const { data, stat } = await this.store.client.get(paths.request(this.id));
      const request = parseRequest(this.id, data);
      if (isBroken(request)) return false;
      this.current = { id: this.id, request, version: stat.version };
      return true;
    } catch (error) {
      if (error instanceof NoNodeError) return false;
      throw error;
    }
  }

  async release(): Promise<void> {
    if (!this.held) return;
    await this.lock.release();
    await removeLockDirectory(this.store.client, this.lock.directory);
  }
}
