/** Something that happens again and again: whoever follows it is told, in the order in which they came. */
export class Emitter<A extends readonly unknown[] = []> {
  private readonly listeners = new Set<(...args: A) => void>();

  /** Returns the function that ends it. */
  on(listener: (...args: A) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  emit(...args: A): void {
    for (const listener of this.listeners) listener(...args);
  }
}
