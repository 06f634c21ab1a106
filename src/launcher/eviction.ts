/** Makes room for waiting requests: of the free stock of a full pool as many nodes go, oldest first, as are needed. */
import { isBroken } from '../records/broken.ts';
import type { NodeRecord } from '../records/node.ts';
import type { Store } from '../store/store.ts';
import type { DeletionReconciler } from './deletion.ts';
import type { NodeBooks } from './node-books.ts';
import type { OwnPool } from './own-pool.ts';

export class Eviction {
  private readonly books: NodeBooks;
  private readonly deletion: DeletionReconciler;
  private readonly store: Store;

  constructor(books: NodeBooks, deletion: DeletionReconciler, store: Store) {
    this.books = books;
    this.deletion = deletion;
    this.store = store;
  }

  makeRoom(pool: OwnPool): void {
    if (!pool.launches) return;
    let missing = 0;
    for (const handler of pool.handlers) if (handler.waiting) missing += handler.openLabels;
    missing -= this.books.leavingCount(pool.providerName, pool.poolName);
    const stock = this.stockOf(pool);
    missing -= stock.filter((node) => this.deletion.isEvicting(node.id)).length;
    for (const node of stock) {
      if (missing <= 0) return;
      if (this.deletion.isEvicting(node.id)) continue;
      this.deletion.evict(node.id);
      missing--;
    }
  }

  private stockOf(pool: OwnPool): NodeRecord[] {
    const stock: NodeRecord[] = [];
    for (const id of this.store.nodes.byState('ready')) {
      const entry = this.store.nodes.get(id);
      const node = entry?.node;
      if (!node || isBroken(node) || entry.locked || node.allocatedTo !== null) continue;
      if (node.provider === pool.providerName && node.pool === pool.poolName) stock.push(node);
    }
    return stock.sort((a, b) => a.stateTime - b.stateTime);
  }
}
