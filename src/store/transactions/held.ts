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
import {
  BadVersionError,
  type HeldLock,
  NoNodeError,
  removeLockDirectory,
  SessionExpiredError,
  type Stat,
} from '@nodepool/zookeeper';
import { findContender, isUnknownOutcome } from './unknown-outcome.ts';
import { paths } from '../paths.ts';
import type { Store } from '../mirrors/store.ts';
import type { RequestEntry } from '../mirrors/views.ts';

/** 'changed': it is not what was read any more; 'session': the lock is lost with its session. */
export type Refused = { readonly ok: false; readonly reason: 'locked' | 'gone' | 'changed' | 'session' };
export type Outcome = { readonly ok: true } | Refused;

export const refused = (reason: Refused['reason']): Refused => ({ ok: false, reason });
export const done: Outcome = { ok: true };

/** A conflict this often in a row is no race any more. */
export const mostAttempts = 10;

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

  /** Somebody else's write in between (a consumer's, for one) is kept, our fields go over it. */
  async write(fields: NodeFields): Promise<Outcome> {
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      if (!this.held) return refused('session');
      const next = updateNode(this.node, fields, this.store.runtime.nowMs());
      const data = encodeNode(next);
      const own = this.store.nodes.mirror.ownWrite(this.id);
      try {
        const stat = await this.store.client.set(paths.node(this.id), data, this.version);
        own.committed(next, stat);
        this.wrote(next, stat);
        return done;
      } catch (error) {
        own.failed();
        const reason = await this.recover(error);
        if (reason) return reason;
      }
    }
    return refused('changed');
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

  private async recover(error: unknown): Promise<Refused | null> {
    if (error instanceof NoNodeError) return refused('gone');
    if (error instanceof SessionExpiredError) return refused('session');
    if (!(error instanceof BadVersionError || isUnknownOutcome(error))) throw error;
    try {
      const { data, stat } = await this.store.client.get(paths.node(this.id));
      const node = parseNode(this.id, data);
      if (isBroken(node)) return refused('changed');
      this.current = { node, version: stat.version };
      return null;
    } catch (failure) {
      if (failure instanceof NoNodeError) return refused('gone');
      if (failure instanceof SessionExpiredError) return refused('session');
      // The next attempt will meet the version's mismatch and ask again.
      if (isUnknownOutcome(failure)) return null;
      throw failure;
    }
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

  async update(fields: RequestFields): Promise<Outcome> {
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      if (!this.held) return refused('session');
      const { request, version } = this.entry;
      const next = updateRequest(request, fields, this.store.runtime.nowMs());
      const data = encodeRequest(next);
      const own = this.store.requests.mirror.ownWrite(this.id);
      try {
        const stat = await this.store.client.set(paths.request(this.id), data, version);
        own.committed(next, stat);
        this.wrote(next, stat);
        return done;
      } catch (error) {
        own.failed();
        if (error instanceof NoNodeError) return refused('gone');
        if (error instanceof SessionExpiredError) return refused('session');
        if (!(error instanceof BadVersionError || isUnknownOutcome(error))) throw error;
        try {
          if (!(await this.refresh())) return refused('gone');
        } catch (failure) {
          if (failure instanceof SessionExpiredError) return refused('session');
          // The next attempt will meet the version's mismatch and ask again.
          if (!isUnknownOutcome(failure)) throw failure;
        }
      }
    }
    return refused('changed');
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
