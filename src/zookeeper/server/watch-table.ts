/** Who watches what, a table a kind; which events a change fires. Generic in the watcher, so that tests need no connection. */
import type { WireEvent } from '../protocol/records.ts';
import { parentOf, type TreeEvent } from './database.ts';

export type WatchKind = 'data' | 'children' | 'persistent' | 'persistent-recursive';

const oneShotKinds: readonly WatchKind[] = ['data', 'children'];

export class WatchTable<W> {
  private readonly tables: Record<WatchKind, Map<string, Set<W>>> = {
    data: new Map(),
    children: new Map(),
    persistent: new Map(),
    'persistent-recursive': new Map(),
  };
  private readonly byWatcher = new Map<W, Set<string>>();

  get size(): number {
    let count = 0;
    for (const keys of this.byWatcher.values()) count += keys.size;
    return count;
  }

  add(kind: WatchKind, path: string, watcher: W): void {
    const table = this.tables[kind];
    let watchers = table.get(path);
    if (!watchers) table.set(path, (watchers = new Set()));
    watchers.add(watcher);
    let own = this.byWatcher.get(watcher);
    if (!own) this.byWatcher.set(watcher, (own = new Set()));
    own.add(`${kind} ${path}`);
  }

  has(kind: WatchKind, path: string, watcher: W): boolean {
    return this.tables[kind].get(path)?.has(watcher) ?? false;
  }

  remove(kind: WatchKind, path: string, watcher: W): boolean {
    const table = this.tables[kind];
    const watchers = table.get(path);
    if (!watchers?.delete(watcher)) return false;
    if (watchers.size === 0) table.delete(path);
    this.byWatcher.get(watcher)?.delete(`${kind} ${path}`);
    return true;
  }

  removeAll(watcher: W): void {
    for (const key of this.byWatcher.get(watcher) ?? []) {
      const at = key.indexOf(' ');
      this.remove(key.slice(0, at) as WatchKind, key.slice(at + 1), watcher);
    }
    this.byWatcher.delete(watcher);
  }

  /** Tells everybody concerned by one change of the tree, each once an event. */
  fire(change: TreeEvent, send: (watcher: W, event: WireEvent) => void): void {
    const { type, path } = change;
    const here = new Set<W>();
    this.collect(here, 'data', path);
    if (type === 'deleted') this.collect(here, 'children', path);
    this.collect(here, 'persistent', path);
    for (let at = path; ; at = parentOf(at)) {
      this.collect(here, 'persistent-recursive', at);
      if (at === '/') break;
    }
    for (const watcher of here) send(watcher, { type, path });
    if (type === 'data-changed' || path === '/') return;
    const parent = parentOf(path);
    const above = new Set<W>();
    this.collect(above, 'children', parent);
    this.collect(above, 'persistent', parent);
    for (const watcher of above) send(watcher, { type: 'children-changed', path: parent });
  }

  /** One-shot watches are used up by being collected. */
  private collect(into: Set<W>, kind: WatchKind, path: string): void {
    const watchers = this.tables[kind].get(path);
    if (!watchers) return;
    for (const watcher of [...watchers]) {
      into.add(watcher);
      if (oneShotKinds.includes(kind)) this.remove(kind, path, watcher);
    }
  }
}
