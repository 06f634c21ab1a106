/** A memory with a limit: the newest entries, the oldest is forgotten first. */
export class Newest<V> {
  private readonly most: number;
  private readonly values = new Map<string, V>();

  constructor(most: number) {
    this.most = most;
  }

  get(id: string): V | null {
    return this.values.get(id) ?? null;
  }

  set(id: string, value: V): void {
    this.values.delete(id);
    this.values.set(id, value);
    if (this.values.size > this.most) this.values.delete(this.values.keys().next().value!);
  }
}
