/** Makes room for waiting requests: of the free stock of a full pool as many nodes go, oldest first, as are needed. */
import type { DeletionReconciler } from './deletion.ts';
import type { NodeBooks } from './node-books.ts';
import type { OwnPool } from './own-pool.ts';

export class Eviction {
  private readonly books: NodeBooks;
  private readonly deletion: DeletionReconciler;

  constructor(books: NodeBooks, deletion: DeletionReconciler) {
    this.books = books;
    this.deletion = deletion;
  }

  makeRoom(pool: OwnPool): void {
    if (!pool.launches) return;
    let missing = 0;
    for (const { waiting, openLabels } of pool.waiting) if (waiting?.kind === 'resource') missing += openLabels.length;
    missing -= this.books.leavingCount(pool.providerName, pool.poolName);
    if (missing <= 0) return;
    const going = new Set<string>();
    const staying: string[] = [];
    for (const { id } of this.books.stockOfPool(pool.providerName, pool.poolName)) {
      if (this.deletion.isEvicting(id)) going.add(id);
      else if (staying.length < missing) staying.push(id);
    }
    for (const id of staying.slice(0, Math.max(0, missing - going.size))) this.deletion.evict(id);
  }
}
