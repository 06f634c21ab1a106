/**
 * Python launchers that serve the same metastatic provider. They keep slots in memory and read the tree only when their
 * provider starts: a backing node that they may know is theirs alone while they are there.
 */
import { isPython } from '../../records/component.ts';
import type { Runtime } from '../../base/runtime.ts';
import type { Store } from '../../store/mirrors/store.ts';

export interface PythonNeighboursDeps {
  readonly store: Store;
  readonly providerName: string;
  readonly runtime: Runtime;
  /** One has come or gone. */
  readonly onChange: () => void;
}

export class PythonNeighbours {
  private readonly deps: PythonNeighboursDeps;
  /** When each was seen first, by the id of its pool. */
  private seenMs: ReadonlyMap<string, number> = new Map();
  private sinceMs: number | null = null;
  private readonly unfollow: () => void;

  constructor(deps: PythonNeighboursDeps) {
    this.deps = deps;
    this.look();
    this.unfollow = deps.store.components.onChange(() => {
      const before = this.sinceMs;
      this.look();
      if (this.sinceMs !== before) deps.onChange();
    });
  }

  close(): void {
    this.unfollow();
  }

  /** May one of them use it? `launched`: seconds since the epoch; `claimable`: see BackingMark. */
  mayUse({ launched, claimable }: { readonly launched: number; readonly claimable: boolean }): boolean {
    return this.sinceMs !== null && (!claimable || Math.round(launched * 1000) < this.sinceMs);
  }

  private look(): void {
    const { store, providerName, runtime } = this.deps;
    const there = [...store.components.pools()].flatMap(({ id, providerName: of, version }) =>
      id !== null && of === providerName && isPython({ version }) ? [id] : [],
    );
    this.seenMs = new Map(there.map((id) => [id, this.seenMs.get(id) ?? runtime.nowMs()]));
    this.sinceMs = there.length === 0 ? null : Math.max(...this.seenMs.values());
  }
}
