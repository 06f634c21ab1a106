/** Is the picture of the tree up to date? Without it nothing is decided. */
import type { Trouble } from '../base/trouble.ts';
import type { Runtime } from '../base/runtime.ts';
import type { Store } from '../store/mirrors/store.ts';

const settleMs = 5000;
const manyCalls = 5000;

export class StoreTroubles {
  private readonly store: Store;
  private readonly runtime: Runtime;
  private readonly unfollow: () => void;
  private behindSinceMs: number | null;

  constructor(store: Store, runtime: Runtime) {
    this.store = store;
    this.runtime = runtime;
    this.behindSinceMs = store.synced ? null : runtime.monotonicMs();
    this.unfollow = store.onSync((synced) => {
      this.behindSinceMs = synced ? null : (this.behindSinceMs ?? runtime.monotonicMs());
    });
  }

  close(): void {
    this.unfollow();
  }

  *troubles(): Iterable<Trouble> {
    const { client } = this.store;
    const { behindSinceMs } = this;
    if (behindSinceMs !== null && this.runtime.monotonicMs() - behindSinceMs > settleMs) {
      yield {
        key: 'zookeeper: mirror',
        severity: 'critical',
        what: 'the picture of what is in ZooKeeper is not up to date, nothing is decided',
        why:
          client.state === 'connected'
            ? 'reading the tree takes long or fails'
            : `the ZooKeeper session is ${client.state}`,
        sinceMs: behindSinceMs,
        hint: 'check ZooKeeper and the way to it; the work goes on by itself',
      };
    }
    if (client.outstanding > manyCalls) {
      yield {
        key: 'zookeeper: calls',
        severity: 'warning',
        what: 'very many calls wait for ZooKeeper',
        why: 'it answers more slowly than it is asked',
        sinceMs: null,
        hint: 'look at the latency and the disks of the ZooKeeper servers',
        figures: { calls: client.outstanding },
      };
    }
  }
}
