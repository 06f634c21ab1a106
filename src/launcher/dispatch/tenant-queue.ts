/**
 * Requests that wait for their tenant's limit, out of the dispatcher's way: a pass looks at none of them until their tenant
 * has room, and then at the first of that tenant only.
 */
import { SortedList } from '../../base/sorted-list.ts';

export class TenantQueue<T> {
  private readonly compare: (a: T, b: T) => number;
  private readonly waiting = new Map<string, SortedList<T>>();
  /** Would exceed the limit alone: they wait for another limit. */
  private readonly hopeless = new Set<T>();
  private readonly freed = new Set<string>();

  constructor(compare: (a: T, b: T) => number) {
    this.compare = compare;
  }

  park(tenant: string, item: T, never: boolean): void {
    if (never) {
      this.hopeless.add(item);
      return;
    }
    let list = this.waiting.get(tenant);
    if (!list) this.waiting.set(tenant, (list = new SortedList(this.compare)));
    list.insert(item);
  }

  /** Is another one of the tenant parked whose turn is before this one's? */
  isBehind(tenant: string, item: T): boolean {
    const first = this.waiting.get(tenant)?.first();
    return first !== undefined && this.compare(first, item) < 0;
  }

  remove(tenant: string | null, item: T): void {
    this.hopeless.delete(item);
    const list = tenant === null ? undefined : this.waiting.get(tenant);
    if (tenant === null || !list?.remove(item)) return;
    // It may have been what those behind it waited for: a small one fits where a large one in front did not.
    if (list.size > 0) this.freed.add(tenant);
    else this.waiting.delete(tenant);
  }

  /** Returns whether somebody waits for that. */
  markFreed(tenant: string): boolean {
    if ((this.waiting.get(tenant)?.size ?? 0) === 0) return false;
    this.freed.add(tenant);
    return true;
  }

  /** The first one of each tenant that has got room since the last call. */
  *takeNext(): Iterable<T> {
    for (const tenant of this.freed) {
      const list = this.waiting.get(tenant);
      const [first] = list ?? [];
      if (!list || first === undefined) continue;
      list.remove(first);
      if (list.size === 0) this.waiting.delete(tenant);
      yield first;
    }
    this.freed.clear();
  }
}
