/** Who listens to which path: one-shot and persistent watches, and the message that re-arms them after a reconnect. */
import { xid } from '../protocol/constants.ts';
import { encodeRequest } from '../protocol/messages/header.ts';
import { setWatches2Message, setWatchesMessage } from '../protocol/messages/watches.ts';
import type { WatchEvent, WatchListener } from '../contract/types.ts';

export type OneShotKind = 'data' | 'exists' | 'children';
export type PersistentKind = 'persistent' | 'persistent-recursive';

/** Lists are replaced, never changed: a listener may add and remove others. */
type Table = Map<string, readonly WatchListener[]>;

/** Largest part of the watch list that goes into one frame (the server's default limit is 1 MiB). */
const rearmBytes = 128 * 1024;

export class Watches {
  private readonly oneShot: Record<OneShotKind, Table> = { data: new Map(), exists: new Map(), children: new Map() };
  private readonly lasting: Record<PersistentKind, Table> = {
    persistent: new Map(),
    'persistent-recursive': new Map(),
  };

  add(kind: OneShotKind | PersistentKind, path: string, listener: WatchListener): void {
    const table = this.table(kind);
    const listeners = table.get(path) ?? [];
    if (!listeners.includes(listener)) table.set(path, [...listeners, listener]);
  }

  /** True when nobody listens to that path in that way any more. */
  remove(kind: OneShotKind | PersistentKind, path: string, listener: WatchListener): boolean {
    const table = this.table(kind);
    const listeners = table.get(path);
    if (!listeners) return false;
    const left = listeners.filter((other) => other !== listener);
    if (left.length > 0) table.set(path, left);
    else table.delete(path);
    return left.length === 0;
  }

  persistentPaths(): [PersistentKind, string][] {
    return (['persistent', 'persistent-recursive'] as const).flatMap((kind) =>
      [...this.lasting[kind].keys()].map((path): [PersistentKind, string] => [kind, path]),
    );
  }

  /** The session is new: one-shot watches of the old one will never fire. */
  forgetOneShot(): void {
    for (const table of Object.values(this.oneShot)) table.clear();
  }

  dispatch(event: WatchEvent, onError: (error: unknown) => void): void {
    for (const kind of firedBy[event.type] ?? []) {
      const listeners = this.oneShot[kind].get(event.path);
      if (!listeners) continue;
      this.oneShot[kind].delete(event.path);
      tell(listeners, event, onError);
    }
    const here = this.lasting.persistent.get(event.path);
    if (here) tell(here, event, onError);
    if (event.type === 'children-changed') return;
    for (const [root, listeners] of this.lasting['persistent-recursive']) {
      if (isWithin(event.path, root)) tell(listeners, event, onError);
    }
  }

  /** setWatches2 (or setWatches where no persistent watch is) in parts, framed; empty when there is nothing to re-arm. */
  rearmFrames(lastZxid: bigint, toServer: (path: string) => string): Buffer[] {
    const tables = {
      data: this.oneShot.data,
      exists: this.oneShot.exists,
      children: this.oneShot.children,
      persistent: this.lasting.persistent,
      persistentRecursive: this.lasting['persistent-recursive'],
    };
    const frames: Buffer[] = [];
    let lists = emptyLists();
    let bytes = 0;
    const flush = () => {
      if (bytes === 0) return;
      const old = lists.persistent.length === 0 && lists.persistentRecursive.length === 0;
      const message = old ? setWatchesMessage : setWatches2Message;
      frames.push(encodeRequest(message, { lastZxid, ...lists }, xid.setWatches));
      lists = emptyLists();
      bytes = 0;
    };
    for (const [kind, table] of Object.entries(tables)) {
      for (const path of table.keys()) {
        const full = toServer(path);
        lists[kind as keyof typeof lists].push(full);
        bytes += full.length + 4;
        if (bytes > rearmBytes) flush();
      }
    }
    flush();
    return frames;
  }

  private table(kind: OneShotKind | PersistentKind): Table {
    return kind === 'persistent' || kind === 'persistent-recursive' ? this.lasting[kind] : this.oneShot[kind];
  }
}

function emptyLists(): Record<'data' | 'exists' | 'children' | 'persistent' | 'persistentRecursive', string[]> {
  return { data: [], exists: [], children: [], persistent: [], persistentRecursive: [] };
}

function tell(listeners: readonly WatchListener[], event: WatchEvent, onError: (error: unknown) => void): void {
  for (const listener of listeners) {
    try {
      listener(event);
    } catch (error) {
      onError(error);
    }
  }
}

function isWithin(path: string, root: string): boolean {
  if (root === '/') return true;
  return path.startsWith(root) && (path.length === root.length || path[root.length] === '/');
}

const firedBy: Partial<Record<WatchEvent['type'], readonly OneShotKind[]>> = {
  created: ['data', 'exists'],
  'data-changed': ['data', 'exists'],
  deleted: ['data', 'exists', 'children'],
  'children-changed': ['children'],
};
