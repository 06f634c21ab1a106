/** Makes room for waiting requests: of the free stock of a full pool as many nodes go, oldest first, as are needed. */
import type { DeletionReconciler } from './deletion.ts';
import type { NodeBooks } from './node-books.ts';
import type { OwnPool, ServedRequest } from './own-pool.ts';

type FullPool = Pick<OwnPool, 'id' | 'launches' | 'providerName' | 'poolName'> & {
  readonly waiting: Iterable<Pick<ServedRequest, 'waiting' | 'openLabels'>>;
};
type Deletion = Pick<DeletionReconciler, 'isEvicting' | 'evict'>;

export class Eviction {
  private readonly books: NodeBooks;
  private readonly deletion: Deletion;
  /** Nodes that were told to go, by pool: locked for it, they are no stock any more, and not yet seen to be leaving. */
  private readonly chosen = new Map<string, Set<string>>();

  constructor(books: NodeBooks, deletion: Deletion) {
    this.books = books;
    this.deletion = deletion;
  }

  makeRoom(pool: FullPool): void {
    if (!pool.launches) return;
    let missing = 0;
    for (const { waiting, openLabels } of pool.waiting) if (waiting?.kind === 'resource') missing += openLabels.length;
    missing -= this.books.leavingCount(pool.providerName, pool.poolName);
    if (missing <= 0) return;
    const going = this.goingOf(pool);
    const staying: string[] = [];
    for (const { id } of this.books.stockOfPool(pool.providerName, pool.poolName)) {
      if (this.deletion.isEvicting(id)) going.add(id);
      else if (staying.length < missing) staying.push(id);
    }
    for (const id of staying.slice(0, Math.max(0, missing - going.size))) {
      going.add(id);
      this.deletion.evict(id);
    }
  }

  private goingOf(pool: FullPool): Set<string> {
    const going = this.chosen.get(pool.id) ?? new Set<string>();
    this.chosen.set(pool.id, going);
    for (const id of going) {
      if (!this.deletion.isEvicting(id) || !this.books.isStaying(pool.providerName, pool.poolName, id))
        going.delete(id);
    }
    return going;
  }
}
