/** Keeps the state of a simulated server: nothing is stored, a commit takes virtual time, and it can fail as a quorum does. */
import type { Timer } from '../runtime/runtime.ts';
import type { Transaction } from '../server/tree/database.ts';
import type { Persistence, PersistenceHooks } from '../server/tree/persistence.ts';
import type { StoredSession } from '../server/tree/stored-records.ts';

export interface MemoryPersistenceOptions extends PersistenceHooks {
  readonly commitMs: () => number;
  /** Told of each transaction that changes znodes, before anybody else. */
  readonly onTransaction: (transaction: Transaction) => void;
}

export class MemoryPersistence implements Persistence {
  durableZxid = 0n;
  failure: string | null = null;
  commits = 0;
  readonly slowestCommitMs = 0;
  private readonly options: MemoryPersistenceOptions;
  private pendingZxid = 0n;
  private commit: Timer | null = null;

  constructor(options: MemoryPersistenceOptions) {
    this.options = options;
  }

  load(): StoredSession[] {
    return [];
  }

  record(transaction: Transaction): void {
    if (transaction.changed.size === 0) return;
    this.options.onTransaction(transaction);
    this.due(transaction.zxid);
  }

  recordSession(_id: bigint, _session: StoredSession | null, zxid: bigint): void {
    this.due(zxid);
  }

  /** Nothing can be written until `recover`. */
  fail(reason: string): void {
    if (this.failure !== null) return;
    this.failure = reason;
    this.options.onFailure(reason);
  }

  recover(): void {
    if (this.failure === null) return;
    this.failure = null;
    this.options.onRecovery();
  }

  close(): Promise<void> {
    this.commit?.cancel();
    return Promise.resolve();
  }

  /** What comes while a commit is under way goes into the next one. */
  private due(zxid: bigint): void {
    this.pendingZxid = zxid;
    if (this.commit) return;
    this.commit = this.options.runtime.setTimer(this.options.commitMs(), () => {
      this.commit = null;
      this.commits++;
      this.durableZxid = zxid;
      this.options.onDurable(zxid);
      if (this.pendingZxid > zxid) this.due(this.pendingZxid);
    });
  }
}
