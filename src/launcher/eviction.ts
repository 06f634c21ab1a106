/** Makes room for waiting requests: of the free stock of a full pool as many nodes go, oldest first, as are needed. */
import type { DeletionReconciler } from './deletion.ts';
import type { NodeBooks } from './node-books.ts';
import type { OwnPool, ServedRequest } from './own-pool.ts';

type Room = Pick<OwnPool, 'providerName' | 'poolName'>;
type FullPool = Room &
  Pick<OwnPool, 'id' | 'launches'> & {
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

  /** `siblings`: the provider's other pools; their stock goes too where it is the provider's quota that is used up. */
  makeRoom(pool: FullPool, siblings: readonly Room[] = []): void {
    if (!pool.launches) return;
    let missing = 0;
    let inCloud = false;
    for (const { waiting, openLabels } of pool.waiting) {
      if (waiting?.kind !== 'resource') continue;
      missing += openLabels.length;
      inCloud ||= waiting.scope === 'provider';
    }
    const rooms = inCloud ? [pool, ...siblings] : [pool];
    for (const room of rooms) missing -= this.books.leavingCount(room.providerName, room.poolName);
    if (missing <= 0) return;
    const going = this.goingOf(pool, rooms);
    const staying: string[] = [];
    for (const room of rooms) {
      for (const { id } of this.books.stockOfPool(room.providerName, room.poolName)) {
        if (this.deletion.isEvicting(id)) going.add(id);
        else if (staying.length < missing) staying.push(id);
      }
    }
    for (const id of staying.slice(0, Math.max(0, missing - going.size))) {
      going.add(id);
      this.deletion.evict(id);
    }
  }

  private goingOf(pool: FullPool, rooms: readonly Room[]): Set<string> {
    const going = this.chosen.get(pool.id) ?? new Set<string>();
    this.chosen.set(pool.id, going);
    const isStaying = (id: string) => rooms.some((room) => this.books.isStaying(room.providerName, room.poolName, id));
    for (const id of going) if (!this.deletion.isEvicting(id) || !isStaying(id)) going.delete(id);
    return going;
  }
}
