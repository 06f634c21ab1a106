/** Free or held nodes that are to go, to make room or because their time is up, until they have gone or are somebody's. */
import { Emitter } from '../../base/emitter.ts';

export class Evictions {
  private readonly ids = new Set<string>();
  private readonly added = new Emitter<[nodeId: string]>();

  evict(nodeId: string): void {
    this.ids.add(nodeId);
    this.added.emit(nodeId);
  }

  isEvicting(nodeId: string): boolean {
    return this.ids.has(nodeId);
  }

  /** It has gone, or is to stay after all. */
  end(nodeId: string): void {
    this.ids.delete(nodeId);
  }

  /** Tells of each node, also of one that was told to go before. */
  onEvict(listener: (nodeId: string) => void): () => void {
    return this.added.on(listener);
  }
}
