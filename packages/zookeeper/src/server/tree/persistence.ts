/** What the engine asks of whatever keeps its state: the data file (storage.ts), or memory in a simulation. */
import type { Runtime } from '../../runtime/runtime.ts';
import type { Database, Transaction } from './database.ts';
import type { StoredSession } from './stored-records.ts';

export interface PersistenceHooks {
  readonly database: Database;
  readonly runtime: Runtime;
  /** Everything up to this zxid is on the disk. */
  readonly onDurable: (zxid: bigint) => void;
  /** Writing has failed; `reason` is for people. Called once, until onRecovery. */
  readonly onFailure: (reason: string) => void;
  readonly onRecovery: () => void;
}

export interface Persistence {
  readonly durableZxid: bigint;
  /** Why nothing can be written at the moment. */
  readonly failure: string | null;
  readonly commits: number;
  readonly slowestCommitMs: number;
  /** Fills the database; returns the sessions that were alive. */
  load(): StoredSession[];
  record(transaction: Transaction): void;
  recordSession(id: bigint, session: StoredSession | null, zxid: bigint): void;
  close(): Promise<void>;
}
