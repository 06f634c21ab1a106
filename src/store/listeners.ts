/** A set of listeners of which one that throws stops no other. */
export class Listeners<A extends unknown[]> {
  private readonly listeners = new Set<(...args: A) => void>();
  private readonly onError: (error: unknown) => void;

  constructor(onError: (error: unknown) => void) {
    this.onError = onError;
  }

  add(listener: (...args: A) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  call(...args: A): void {
    for (const listener of [...this.listeners]) {
      try {
        listener(...args);
      } catch (error) {
        this.onError(error);
      }
    }
  }
}

/** Ids by a key, without empty sets left behind. */
export class Index {
  private readonly sets = new Map<string, Set<string>>();
  private static readonly none: ReadonlySet<string> = new Set();

  get(key: string): ReadonlySet<string> {
    return this.sets.get(key) ?? Index.none;
  }

  add(key: string, id: string): void {
    const ids = this.sets.get(key);
    if (ids) ids.add(id);
    else this.sets.set(key, new Set([id]));
  }

  remove(key: string, id: string): void {
    const ids = this.sets.get(key);
    if (ids?.delete(id) && ids.size === 0) this.sets.delete(key);
  }
}
