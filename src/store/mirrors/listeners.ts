/** A set of listeners of which one that throws stops no other. */
export class Listeners<A extends unknown[]> {
  /** Replaced, never changed: a listener may add and remove others. */
  private listeners: readonly ((...args: A) => void)[] = [];
  private readonly onError: (error: unknown) => void;

  constructor(onError: (error: unknown) => void) {
    this.onError = onError;
  }

  add(listener: (...args: A) => void): () => void {
    this.listeners = [...this.listeners, listener];
    return () => {
      this.listeners = this.listeners.filter((other) => other !== listener);
    };
  }

  call(...args: A): void {
    for (const listener of this.listeners) {
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

  /** Most changes leave most keys as they were. */
  move(id: string, from: string | null | undefined, to: string | null | undefined): void {
    if (from === to) return;
    if (typeof from === 'string') this.remove(from, id);
    if (typeof to === 'string') this.add(to, id);
  }
}
