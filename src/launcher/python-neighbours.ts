/**
 * Python launchers that serve the same metastatic provider. They keep slots in memory and read the tree only when their
 * provider starts: a backing node that they may know is theirs alone while they are there.
 */
import { isPython } from '../records/component.ts';
import type { Runtime } from '../runtime.ts';
import type { Store } from '../store/store.ts';

export class PythonNeighbours {
  private readonly store: Store;
  private readonly providerName: string;
  private readonly runtime: Runtime;
  private readonly seenMs = new Map<string, number>();

  constructor(store: Store, providerName: string, runtime: Runtime) {
    this.store = store;
    this.providerName = providerName;
    this.runtime = runtime;
  }

  /** Tells of their coming and going. */
  onChange(listener: () => void): () => void {
    let before = this.sinceMs();
    return this.store.components.onChange(() => {
      const now = this.sinceMs();
      if (now === before) return;
      before = now;
      listener();
    });
  }

  /** May one of them use it? `launched`: seconds since the epoch; `claimable`: see BackingMark. */
  mayUse({ launched, claimable }: { readonly launched: number; readonly claimable: boolean }): boolean {
    const sinceMs = this.sinceMs();
    return sinceMs !== null && (!claimable || Math.round(launched * 1000) < sinceMs);
  }

  /** When the latest of those that are there now was seen first; null: there is none. To be asked before a node is put to use. */
  sinceMs(): number | null {
    const there = new Set<string>();
    for (const pool of this.store.components.pools()) {
      if (pool.providerName !== this.providerName || pool.id === null || !isPython(pool)) continue;
      there.add(pool.id);
      if (!this.seenMs.has(pool.id)) this.seenMs.set(pool.id, this.runtime.nowMs());
    }
    for (const id of this.seenMs.keys()) if (!there.has(id)) this.seenMs.delete(id);
    return there.size === 0 ? null : Math.max(...this.seenMs.values());
  }
}
