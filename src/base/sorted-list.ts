/** A list that is kept in order: insertion and removal by binary search, iteration in order. */
export class SortedList<T> implements Iterable<T> {
  private readonly items: T[] = [];
  private readonly compare: (a: T, b: T) => number;

  /** `compare` must never be 0 for two different items. */
  constructor(compare: (a: T, b: T) => number) {
    this.compare = compare;
  }

  get size(): number {
    return this.items.length;
  }

  first(): T | undefined {
    return this.items[0];
  }

  insert(item: T): void {
    this.items.splice(this.position(item), 0, item);
  }

  /** False when an item equal in order is not there. */
  remove(item: T): boolean {
    const at = this.position(item);
    const found = this.items[at];
    if (found === undefined || this.compare(found, item) !== 0) return false;
    this.items.splice(at, 1);
    return true;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.items[Symbol.iterator]();
  }

  private position(item: T): number {
    let low = 0;
    let high = this.items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.compare(this.items[middle] as T, item) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
