/**
 * Writes on backing nodes, which are held by a persistent lock whose contender carries the owner's name (spec: driver
 * metastatic). Every change is made to what was just read, with its version: several launchers may own the same nodes.
 */
import { type BackingMark, encodeBackingMark, parseBackingMark } from '../../records/backing.ts';
import { isBroken } from '../../records/broken.ts';
import { encodeNode, type NodeRecord, parseNode, updateNode } from '../../records/node.ts';
import { BadVersionError, lock, MultiError, NoNodeError, removeContender, sortContenders } from '@nodepool/zookeeper';
import { mostAttempts } from './outcome.ts';
import { paths } from '../paths.ts';
import type { NodeEntry, Store } from '../mirrors/store.ts';

export type Bound =
  | { readonly result: 'bound'; readonly contender: string }
  /** The node is not there any more, or is not what the request was given. */
  | { readonly result: 'gone' }
  | { readonly result: 'locked' };

interface Read {
  readonly node: NodeRecord;
  readonly version: number;
}

export interface Owned {
  readonly node: NodeRecord;
  readonly mark: BackingMark;
}

/** Who holds the lock, as the mirror knows it. */
export function firstContender(entry: NodeEntry): string | undefined {
  return sortContenders([...entry.contenders])[0];
}

export class BackingOperations {
  private readonly store: Store;
  private readonly owner: string;

  constructor(store: Store, owner: string) {
    this.store = store;
    this.owner = owner;
  }

  /** First contender of the node's lock and whose it is. */
  async holder(nodeId: string): Promise<{ contender: string; owner: string } | null> {
    const directory = paths.nodeLock(nodeId);
    try {
      const { children } = await this.store.client.children(directory);
      const contender = sortContenders(children)[0];
      if (contender === undefined) return null;
      const { data } = await this.store.client.get(`${directory}/${contender}`);
      return { contender, owner: data.toString() };
    } catch (error) {
      if (error instanceof NoNodeError) return null;
      throw error;
    }
  }

  /** Locks a node that a request was given and puts it to use. May be repeated after an error. */
  async bind(
    nodeId: string,
    requestId: string,
    mark: BackingMark,
    wait: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<Bound> {
    const contender = await this.lock(nodeId, wait);
    if (contender === 'gone' || contender === 'locked') return { result: contender };
    const result = await this.write(nodeId, ({ node }) => {
      if (parseBackingMark(node.userData, this.owner) && node.state === 'in-use') return node;
      if (node.state !== 'ready' || node.allocatedTo !== requestId) return null;
      return updateNode(node, { state: 'in-use', userData: encodeBackingMark(mark) }, this.store.runtime.nowMs());
    });
    if (result) return { result: 'bound', contender };
    await removeContender(this.store.client, `${paths.nodeLock(nodeId)}/${contender}`, null);
    return { result: 'gone' };
  }

  private async lock(nodeId: string, wait: { timeoutMs: number; signal: AbortSignal }): Promise<string> {
    const holder = await this.holder(nodeId);
    if (holder?.owner === this.owner) return holder.contender;
    const { client, runtime } = this.store;
    const path = paths.nodeLock(nodeId);
    const result = await lock(
      { client, runtime, path, createParents: false, persistent: true, identifier: this.owner },
      wait,
    );
    return result.result === 'acquired' ? result.lock.contender : result.result;
  }

  /** `edit` gives the new mark, or null to leave it. What was written, or null: not ours any more, or left. */
  async change(nodeId: string, edit: (owned: Owned) => BackingMark | null): Promise<Owned | null> {
    let written: BackingMark | null = null;
    const node = await this.write(nodeId, (read) => {
      const mark = read.node.state === 'in-use' ? parseBackingMark(read.node.userData, this.owner) : null;
      written = mark && edit({ node: read.node, mark });
      // No `state` among the fields: its time stays.
      return written && updateNode(read.node, { userData: encodeBackingMark(written) }, this.store.runtime.nowMs());
    });
    return node && written ? { node, mark: written } : null;
  }

  /** `used` and unlocked in one transaction, unless it is in use again or not ours. False when it was left alone. */
  async release(nodeId: string, may: (node: NodeRecord, mark: BackingMark | null) => boolean): Promise<boolean> {
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const holder = await this.holder(nodeId);
      const read = await this.read(nodeId);
      if (!read || holder?.owner !== this.owner) return false;
      const { node, version } = read;
      if (
        (node.state !== 'in-use' && node.state !== 'ready') ||
        !may(node, parseBackingMark(node.userData, this.owner))
      )
        return false;
      const data = encodeNode(updateNode(node, { state: 'used' }, this.store.runtime.nowMs()));
      try {
        await this.store.client.multi([
          { type: 'set', path: paths.node(nodeId), data, version },
          { type: 'delete', path: `${paths.nodeLock(nodeId)}/${holder.contender}` },
        ]);
        return true;
      } catch (error) {
        // Somebody was quicker with one of the two: look again.
        if (!(error instanceof MultiError)) throw error;
      }
    }
    return false;
  }

  async nodeExists(nodeId: string): Promise<boolean> {
    return (await this.store.client.exists(paths.node(nodeId))) !== null;
  }

  private async write(nodeId: string, edit: (read: Read) => NodeRecord | null): Promise<NodeRecord | null> {
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const read = await this.read(nodeId);
      const next = read && edit(read);
      if (!next || next === read.node) return next;
      const own = this.store.nodes.mirror.ownWrite(nodeId);
      try {
        own.committed(next, await this.store.client.set(paths.node(nodeId), encodeNode(next), read.version));
        return next;
      } catch (error) {
        own.failed();
        if (error instanceof NoNodeError) return null;
        if (!(error instanceof BadVersionError)) throw error;
      }
    }
    throw new Error(`node ${nodeId} is written by somebody else all the time`);
  }

  private async read(nodeId: string): Promise<Read | null> {
    try {
      const { data, stat } = await this.store.client.get(paths.node(nodeId));
      const node = parseNode(nodeId, data);
      return isBroken(node) ? null : { node, version: stat.version };
    } catch (error) {
      if (error instanceof NoNodeError) return null;
      throw error;
    }
  }
}
