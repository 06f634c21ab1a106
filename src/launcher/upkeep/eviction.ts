/** Makes room for waiting requests: of the free stock of a full pool as many nodes go, oldest first, as are needed. */
import type { Evictions } from '../pools/evictions.ts';
import type { NodeAccounting } from '../pools/node-accounting.ts';
import type { ServedPool, ServedRequest } from '../pools/served-pool.ts';

type Room = Pick<ServedPool, 'providerName' | 'poolName'>;
type Waits = Pick<ServedRequest, 'waiting' | 'openLabels' | 'standsBack'>;
type FullPool = Room & Pick<ServedPool, 'id' | 'launches'> & { readonly waiting: Iterable<Waits> };

interface Demand {
  readonly missing: number;
  /** It is the provider's quota that is used up. */
  readonly inCloud: boolean;
  /** For whom room is made on suspicion. */
  readonly refused: Waits | null;
}

export class Eviction {
  private readonly accounting: NodeAccounting;
  private readonly evictions: Pick<Evictions, 'isEvicting' | 'evict'>;
  /** Nodes that were told to go, by pool: locked for it, they are no stock any more, and not yet seen to be leaving. */
  private readonly chosen = new Map<string, Set<string>>();
  /** How many have gone for a request that the cloud has refused: it may have refused it for something else. */
  private readonly tried = new WeakMap<Waits, number>();

  constructor(accounting: NodeAccounting, evictions: Pick<Evictions, 'isEvicting' | 'evict'>) {
    this.accounting = accounting;
    this.evictions = evictions;
  }

  /** `siblings`: the provider's other pools; their stock goes too where it is the provider's quota that is used up. */
  makeRoom(pool: FullPool, siblings: readonly Room[] = []): void {
    if (!pool.launches) return;
    const { inCloud, refused, ...demand } = this.demandOf(pool);
    let { missing } = demand;
    const rooms = inCloud ? [pool, ...siblings] : [pool];
    for (const room of rooms) missing -= this.accounting.leavingCount(room.providerName, room.poolName);
    if (missing <= 0) return;
    const going = this.goingOf(pool, rooms);
    const staying: string[] = [];
    for (const room of rooms) {
      for (const { id } of this.accounting.stockOfPool(room.providerName, room.poolName)) {
        if (this.evictions.isEvicting(id)) going.add(id);
        else if (staying.length < missing) staying.push(id);
      }
    }
    for (const id of staying.slice(0, Math.max(0, missing - going.size))) {
      going.add(id);
      if (refused) this.tried.set(refused, (this.tried.get(refused) ?? 0) + 1);
      this.evictions.evict(id);
    }
  }

  private demandOf(pool: FullPool): Demand {
    let missing = 0;
    let inCloud = false;
    let refused: Waits | null = null;
    for (const request of pool.waiting) {
      const { waiting, openLabels, standsBack } = request;
      if (!waiting || standsBack) continue;
      if (waiting.kind === 'resource') {
        missing += openLabels.length;
        inCloud ||= waiting.scope === 'provider';
      } else if (waiting.kind === 'refused' && waiting.scope === 'provider') {
        if ((this.tried.get(request) ?? 0) < openLabels.length) refused ??= request;
      }
    }
    // One by one: what the cloud says next shows whether it has helped.
    return missing > 0 || !refused ? { missing, inCloud, refused: null } : { missing: 1, inCloud: true, refused };
  }

  private goingOf(pool: FullPool, rooms: readonly Room[]): Set<string> {
    const going = this.chosen.get(pool.id) ?? new Set<string>();
    this.chosen.set(pool.id, going);
    const isStaying = (id: string) =>
      rooms.some((room) => this.accounting.isStaying(room.providerName, room.poolName, id));
    for (const id of going) if (!this.evictions.isEvicting(id) || !isStaying(id)) going.delete(id);
    return going;
  }
}
