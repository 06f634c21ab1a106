/**
 * Reads that are asked for together go out together, many in one request: a server answers them with a fraction of the
 * work. Each still succeeds or fails on its own.
 */
import type { NodeData, ZooKeeper } from '../contract/types.ts';

interface Read {
  readonly type: 'get' | 'children';
  readonly path: string;
  readonly resolve: (result: NodeData | { readonly children: readonly string[] }) => void;
  readonly reject: (error: unknown) => void;
}

/** Documents may be a megabyte each, and an answer must fit into one frame. */
const mostTogether = 32;

export class BatchedReads {
  private readonly client: ZooKeeper;
  private pending: Read[] = [];

  constructor(client: ZooKeeper) {
    this.client = client;
  }

  get(path: string): Promise<NodeData> {
    return this.read('get', path) as Promise<NodeData>;
  }

  async children(path: string): Promise<readonly string[]> {
    return ((await this.read('children', path)) as { readonly children: readonly string[] }).children;
  }

  private read(type: Read['type'], path: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.pending.push({ type, path, resolve, reject });
      // When no microtask is left: what follows from one answer is asked for together.
      if (this.pending.length === 1) queueMicrotask(() => process.nextTick(() => this.flush()));
    });
  }

  private flush(): void {
    const reads = this.pending;
    this.pending = [];
    for (let at = 0; at < reads.length; at += mostTogether) void this.send(reads.slice(at, at + mostTogether));
  }

  private async send(reads: readonly Read[]): Promise<void> {
    const [first] = reads;
    if (first && reads.length === 1) {
      const { type, path } = first;
      (type === 'get' ? this.client.get(path) : this.client.children(path)).then(first.resolve, first.reject);
      return;
    }
    try {
      const results = await this.client.multiRead(reads);
      reads.forEach((read, index) => {
        const result = results[index]!;
        if (result instanceof Error) read.reject(result);
        else read.resolve(result);
      });
    } catch (error) {
      for (const read of reads) read.reject(error);
    }
  }
}
