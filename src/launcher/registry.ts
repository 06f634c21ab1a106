/** The component registry as scheduling sees it: every registered pool, whoever runs it. */
import type { RegisteredPool } from '../scheduling/routing.ts';
import type { Store } from '../store/store.ts';

export class Registry {
  private readonly store: Store;
  private cache: RegisteredPool[] | null = null;
  private readonly unfollow: () => void;

  constructor(store: Store, onChange: () => void) {
    this.store = store;
    this.unfollow = store.components.onChange(() => {
      this.cache = null;
      onChange();
    });
  }

  pools(): readonly RegisteredPool[] {
    return (this.cache ??= [...this.store.components.pools()].flatMap((record) =>
      record.id === null
        ? []
        : [
            {
              id: record.id,
              providerName: record.providerName ?? '',
              name: record.name ?? '',
              priority: record.priority,
              paused: record.paused,
              labels: new Set(record.supportedLabels),
            },
          ],
    ));
  }

  /** With a registry that does not show oneself every decline could become a failure. */
  shows(poolIds: Iterable<string>): boolean {
    const seen = new Set(this.pools().map((pool) => pool.id));
    for (const id of poolIds) if (!seen.has(id)) return false;
    return true;
  }

  close(): void {
    this.unfollow();
  }
}
