/** Who watches what, and which events a change fires. Generic in the watcher, so that tests need no connection. */
import type { Acl } from '../../protocol/records.ts';
import type { WireEvent } from '../../protocol/messages/event.ts';
import type { TreeEvent } from './database.ts';
import { parentPathOf } from './znode.ts';

export type WatchKind = 'data' | 'children' | 'persistent' | 'persistent-recursive';

export const watchKinds = [
  'data',
  'children',
  'persistent',
  'persistent-recursive',
] as const satisfies readonly WatchKind[];

/** Decides whether a watcher may read a znode with that list of rights. */
export type MayRead<W> = (watcher: W, acl: readonly Acl[]) => boolean;

interface Table<W> {
  readonly oneShot: boolean;
  readonly byPath: Map<string, Set<W>>;
  readonly byWatcher: Map<W, Set<string>>;
}

export class WatchTable<W> {
  private readonly tables: Record<WatchKind, Table<W>> = {
    data: table(true),
    children: table(true),
    persistent: table(false),
    'persistent-recursive': table(false),
  };
  private readonly mayRead: MayRead<W>;
  /** Pairs of a watcher and a path, each kind counted. */
  size = 0;

  constructor(mayRead: MayRead<W>) {
    this.mayRead = mayRead;
  }

  add(kind: WatchKind, path: string, watcher: W): void {
    const { byPath, byWatcher } = this.tables[kind];
    const watchers = byPath.get(path);
    if (watchers?.has(watcher)) return;
    if (watchers) watchers.add(watcher);
    else byPath.set(path, new Set([watcher]));
    const paths = byWatcher.get(watcher);
    if (paths) paths.add(path);
    else byWatcher.set(watcher, new Set([path]));
    this.size++;
  }

  has(kind: WatchKind, path: string, watcher: W): boolean {
    return this.tables[kind].byPath.get(path)?.has(watcher) ?? false;
  }

  remove(kind: WatchKind, path: string, watcher: W): boolean {
    const { byPath, byWatcher } = this.tables[kind];
    const watchers = byPath.get(path);
    if (!watchers?.delete(watcher)) return false;
    if (watchers.size === 0) byPath.delete(path);
    const paths = byWatcher.get(watcher)!;
    paths.delete(path);
    if (paths.size === 0) byWatcher.delete(watcher);
    this.size--;
    return true;
  }

  removeAll(watcher: W): void {
    for (const kind of watchKinds) {
      for (const path of [...(this.tables[kind].byWatcher.get(watcher) ?? [])]) this.remove(kind, path, watcher);
    }
  }

  /** For `wchs`. */
  summary(): { watchers: number; paths: number } {
    const watchers = new Set<W>();
    const paths = new Set<string>();
    for (const { byPath, byWatcher } of Object.values(this.tables)) {
      for (const watcher of byWatcher.keys()) watchers.add(watcher);
      for (const path of byPath.keys()) paths.add(path);
    }
    return { watchers: watchers.size, paths: paths.size };
  }

  /**
   * Tells everybody concerned by one change of the tree, each once an event: first about the znode, then about its parent.
   * Who may not read a znode is told nothing about it (a recursive watch would tell names), as with Apache since 3.8.4.
   */
  fire(change: TreeEvent, send: (watcher: W, event: WireEvent) => void): void {
    if (this.size === 0) return;
    const { type, path, acl, parentAcl } = change;
    const here = new Set<W>();
    this.collect(here, 'data', path);
    if (type === 'deleted') this.collect(here, 'children', path);
    this.collect(here, 'persistent', path);
    this.collectRecursive(here, path);
    for (const watcher of here) if (this.mayRead(watcher, acl)) send(watcher, { type, path });
    if (type === 'data-changed' || path === '/') return;
    const parent = parentPathOf(path);
    const above = new Set<W>();
    this.collect(above, 'children', parent);
    this.collect(above, 'persistent', parent);
    for (const watcher of above)
      if (this.mayRead(watcher, parentAcl)) send(watcher, { type: 'children-changed', path: parent });
  }

  /** One-shot watches are used up by being collected. */
  private collect(into: Set<W>, kind: WatchKind, path: string): void {
    const { byPath, oneShot } = this.tables[kind];
    const watchers = byPath.get(path);
    if (!watchers) return;
    for (const watcher of oneShot ? [...watchers] : watchers) {
      into.add(watcher);
      if (oneShot) this.remove(kind, path, watcher);
    }
  }

  private collectRecursive(into: Set<W>, path: string): void {
    const { byPath } = this.tables['persistent-recursive'];
    if (byPath.size === 0) return;
    for (let at = path; ; at = parentPathOf(at)) {
      for (const watcher of byPath.get(at) ?? []) into.add(watcher);
      if (at === '/') return;
    }
  }
}

function table<W>(oneShot: boolean): Table<W> {
  return { oneShot, byPath: new Map(), byWatcher: new Map() };
}
