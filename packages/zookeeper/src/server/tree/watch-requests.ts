/** The requests that are about watches: add, re-arm after a reconnect, look up, remove. */
import { addWatchMode, errorCode, syncConnected, watcherType } from '../../protocol/constants.ts';
import { encodeEvent, type WireEvent } from '../../protocol/messages/event.ts';
import type { AddWatchRequest, SetWatchesRequest, WatcherRequest } from '../../protocol/messages/watches.ts';
import type { Database } from './database.ts';
import type { Peer } from './peer.ts';
import { Refusal } from './refusal.ts';
import { type WatchKind, watchKinds, type WatchTable } from './watch-table.ts';

const kindsByType: ReadonlyMap<number, readonly WatchKind[]> = new Map<number, readonly WatchKind[]>([
  [watcherType.children, ['children']],
  [watcherType.data, ['data']],
  [watcherType.any, watchKinds],
  [watcherType.persistent, ['persistent']],
  [watcherType['persistent-recursive'], ['persistent-recursive']],
]);

export class WatchRequests {
  private readonly database: Database;
  private readonly watches: WatchTable<Peer>;

  constructor(database: Database, watches: WatchTable<Peer>) {
    this.database = database;
    this.watches = watches;
  }

  add(peer: Peer, { path, mode }: AddWatchRequest): void {
    if (mode === addWatchMode.persistent) this.watches.add('persistent', path, peer);
    else if (mode === addWatchMode['persistent-recursive']) this.watches.add('persistent-recursive', path, peer);
    else throw new Refusal(errorCode.badArguments);
  }

  /** Re-arms the one-shot watches of a client that comes back, or tells it at once what it has missed since that zxid. */
  rearm(peer: Peer, request: SetWatchesRequest): void {
    const { nodes } = this.database;
    const { lastZxid: since, data, exists, children, persistent, persistentRecursive } = request;
    for (const path of data) {
      const node = nodes.get(path);
      if (!node) this.tell(peer, 'deleted', path);
      else if (node.mzxid > since) this.tell(peer, 'data-changed', path);
      else this.watches.add('data', path, peer);
    }
    for (const path of exists) {
      if (nodes.has(path)) this.tell(peer, 'created', path);
      else this.watches.add('data', path, peer);
    }
    for (const path of children) {
      const node = nodes.get(path);
      if (!node) this.tell(peer, 'deleted', path);
      else if (node.pzxid > since) this.tell(peer, 'children-changed', path);
      else this.watches.add('children', path, peer);
    }
    for (const path of persistent) this.watches.add('persistent', path, peer);
    for (const path of persistentRecursive) this.watches.add('persistent-recursive', path, peer);
  }

  check(peer: Peer, request: WatcherRequest): void {
    this.find(peer, request);
  }

  remove(peer: Peer, request: WatcherRequest): void {
    for (const kind of this.find(peer, request)) this.watches.remove(kind, request.path, peer);
  }

  private find(peer: Peer, { path, watcher }: WatcherRequest): WatchKind[] {
    const kinds = kindsByType.get(watcher);
    if (!kinds) throw new Refusal(errorCode.badArguments);
    const found = kinds.filter((kind) => this.watches.has(kind, path, peer));
    if (found.length === 0) throw new Refusal(errorCode.noWatcher);
    return found;
  }

  private tell(peer: Peer, type: WireEvent['type'], path: string): void {
    peer.send(encodeEvent({ type, path }, syncConnected), this.database.zxid);
  }
}
