/** How a process does: a watchdog over all its parts, what it sees published for `doctor`. */
import type { Logger } from '../base/logger.ts';
import type { Runtime } from '../base/runtime.ts';
import type { Store } from '../store/mirrors/store.ts';
import { HealthPublisher } from './health-publisher.ts';
import { StoreTroubles } from './store-troubles.ts';
import { type TroubleSource, Watchdog } from './watchdog.ts';

export interface ProcessHealthDeps {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly watchdogLog: Logger;
  /** The parts of the process; what it has of ZooKeeper is looked at anyway. */
  readonly sources: readonly TroubleSource[];
  /** Told once a second how late that was. */
  readonly onTick: (lateMs: number) => void;
}

export interface ProcessIdentity {
  readonly hostname: string;
  readonly version: string;
  readonly processId: number;
}

export class ProcessHealth {
  readonly watchdog: Watchdog;
  private readonly storeTroubles: StoreTroubles;
  private readonly publisher: HealthPublisher;

  constructor(deps: ProcessHealthDeps, { hostname, version, processId }: ProcessIdentity) {
    const { store, runtime, log, watchdogLog, sources, onTick } = deps;
    this.storeTroubles = new StoreTroubles(store, runtime);
    this.publisher = new HealthPublisher({ store, runtime, log }, { hostname, version, processId });
    this.watchdog = new Watchdog({
      runtime,
      log: watchdogLog,
      sources: [this.storeTroubles, ...sources],
      onLook: (facts) => this.publisher.publish(facts),
      onTick,
    });
  }

  async stop(): Promise<void> {
    this.watchdog.stop();
    this.storeTroubles.close();
    await this.publisher.close();
  }
}
