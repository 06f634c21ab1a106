/**
 * What must survive: znodes, sessions and the last zxid. Changes gather while a commit is under way and go into the next one
 * (group commit); a commit counts when its record in the journal is on the disk. The data file (LMDB) takes over what the
 * journals hold from time to time, after which they go. A commit that fails is tried again, with everything that it was to
 * write, until it succeeds: what is in memory is never acknowledged before.
 */
import { chmodSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { RootDatabase } from 'lmdb';
import type { Timer } from '../../runtime/runtime.ts';
import { CoordinatorError, reasonOf } from './coordinator-error.ts';
import { builtIn, type Transaction } from '../tree/database.ts';
import type { Persistence, PersistenceHooks } from '../tree/persistence.ts';
import type { Lmdb } from './lmdb.ts';
import { type Journal, JournalFiles, readJournal, removeJournals } from './journal.ts';
import {
  type Change,
  decodeChanges,
  decodeHeader,
  decodeSession,
  decodeZnode,
  encodeChanges,
  encodeHeader,
  encodeSession,
  encodeZnode,
  formatVersion,
  headerKey,
  sessionKey,
  type StoredKey,
  type StoredSession,
} from '../tree/stored-records.ts';
import type { Znode } from '../tree/znode.ts';

export interface StorageDeps extends PersistenceHooks {
  readonly lmdb: Pick<Lmdb, 'open'>;
}

export interface StorageOptions {
  readonly file: string;
  /** The data file takes over when the journal has grown so far. A start reads no more than twice that. */
  readonly journalBytes: number;
}

const retryMs = 1000;
/** So many changes at a time go into the data file, so that nobody waits long for the event loop. */
const changesAtOnce = 1000;

export class Storage implements Persistence {
  durableZxid = 0n;
  failure: string | null = null;
  commits = 0;
  slowestCommitMs = 0;
  private readonly deps: StorageDeps;
  private readonly options: StorageOptions;
  private readonly db: RootDatabase<Buffer, StoredKey>;
  private dirty = new Map<number, Znode | null>();
  private dirtySessions = new Map<bigint, StoredSession | null>();
  private pendingZxid = 0n;
  private running: Promise<void> | null = null;
  private retryTimer: Timer | null = null;
  private closed = false;
  private readonly journalFiles: JournalFiles;
  private journal: Journal | null = null;
  /** Journals whose changes are not all in the data file, but for the one that is written. */
  private oldJournals: string[] = [];
  /** In journals only. */
  private unsettled = new Map<StoredKey, Buffer | null>();
  private settling: Promise<void> | null = null;

  constructor(deps: StorageDeps, options: StorageOptions) {
    this.deps = deps;
    this.options = options;
    this.journalFiles = new JournalFiles(options.file);
    try {
      // Without overlapping sync a commit is reported after both the pages and the root are flushed. Batches are made
      // here; LMDB's own batching by event turn reports failures to nobody.
      this.db = deps.lmdb.open<Buffer, StoredKey>({
        path: options.file,
        encoding: 'binary',
        overlappingSync: false,
        eventTurnBatching: false,
        cache: false,
      });
    } catch (error) {
      throw new CoordinatorError('disk', `the data file ${options.file} can't be opened: ${reasonOf(error)}`, error);
    }
    for (const file of [options.file, `${options.file}-lock`]) chmodSync(file, 0o600);
  }

  /** Throws CoordinatorError for a file that is not sound. */
  load(): StoredSession[] {
    try {
      this.replay();
      return this.readAll();
    } catch (error) {
      if (error instanceof CoordinatorError) throw error;
      throw new CoordinatorError(
        'data-dir',
        `the data file ${this.options.file} is damaged: ${reasonOf(error)}`,
        error,
      );
    }
  }

  /** After a stop without close: the data file takes over what the journals hold. Doing so twice changes nothing. */
  private replay(): void {
    const files = this.journalFiles.existing();
    if (files.length === 0) return;
    const changes = files.flatMap((file) => readJournal(file).flatMap(decodeChanges));
    try {
      this.db.transactionSync(() => {
        for (const [key, value] of changes) {
          if (value) this.db.putSync(key, value);
          else this.db.removeSync(key);
        }
      });
    } catch (error) {
      const why = this.isFull() ? 'the disk is full' : reasonOf(error);
      throw new CoordinatorError('disk', `${this.options.file} can't take over its journals: ${why}`, error);
    }
    removeJournals(files);
  }

  private readAll(): StoredSession[] {
    const { database } = this.deps;
    const { file } = this.options;
    const sessions: StoredSession[] = [];
    const byId = new Map<number, Znode>(builtIn.map((path, index) => [index + 1, database.nodes.get(path)!]));
    let format: number | null = null;
    let rows = 0;
    // Numbers sort before texts, parents before their children.
    for (const { key, value } of this.db.getRange({})) {
      rows++;
      if (typeof key === 'number') {
        const node = decodeZnode(key, value, (id) => byId.get(id));
        if (!node)
          throw new CoordinatorError('data-dir', `the data file ${file} is damaged: znode ${key} has no parent`);
        byId.set(key, database.restore(node));
        if (key >= database.nextId) database.nextId = key + 1;
      } else if (key === headerKey) {
        const header = decodeHeader(value);
        format = header.format;
        database.zxid = header.zxid;
      } else if (typeof key === 'string') {
        const session = decodeSession(key, value);
        if (session) sessions.push(session);
      }
    }
    if (rows > 0 && format !== formatVersion) {
      throw new CoordinatorError(
        'data-dir',
        `the data file ${file} has format ${format ?? 'unknown'}; this version reads ${formatVersion}`,
      );
    }
    this.durableZxid = this.pendingZxid = database.zxid;
    return sessions;
  }

  record(transaction: Transaction): void {
    if (transaction.changed.size === 0) return;
    for (const [id, node] of transaction.changed) this.dirty.set(id, node);
    this.due(transaction.zxid);
  }

  recordSession(id: bigint, session: StoredSession | null, zxid: bigint): void {
    this.dirtySessions.set(id, session);
    this.due(zxid);
  }

  /** Writes what is left, as far as the disk allows. */
  async close(): Promise<void> {
    this.closed = true;
    this.retryTimer?.cancel();
    while (this.running) await this.running;
    await this.settling;
    if (this.unsettled.size > 0 || this.journal) await this.settle();
    await this.db.close();
  }

  private due(zxid: bigint): void {
    this.pendingZxid = zxid;
    if (this.running || this.failure !== null) return;
    // At the end of this turn of the event loop: what arrives together is committed together.
    this.running = new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.commitAll());
  }

  private async commitAll(): Promise<void> {
    while (this.dirty.size > 0 || this.dirtySessions.size > 0) {
      if (await this.commitBatch()) continue;
      if (!this.closed) this.retryTimer = this.deps.runtime.setBackgroundTimer(retryMs, () => this.retry());
      break;
    }
    this.running = null;
  }

  private retry(): void {
    if (!this.closed) this.running ??= this.commitAll();
  }

  /** False when it failed; everything is still marked as to be written then. */
  private async commitBatch(): Promise<boolean> {
    const { dirty, dirtySessions, pendingZxid } = this;
    this.dirty = new Map();
    this.dirtySessions = new Map();
    const startMs = this.deps.runtime.monotonicMs();
    try {
      this.journal ??= this.journalFiles.create(this.deps.runtime);
      const changes = changesOf(dirty, dirtySessions, pendingZxid);
      await this.journal.append(encodeChanges(changes));
      for (const [key, value] of changes) this.unsettled.set(key, value);
    } catch (error) {
      // Newer changes win over those of the batch.
      this.dirty = new Map([...dirty, ...this.dirty]);
      this.dirtySessions = new Map([...dirtySessions, ...this.dirtySessions]);
      this.failed(reasonOf(error));
      return false;
    }
    this.commits++;
    this.slowestCommitMs = Math.max(this.slowestCommitMs, this.deps.runtime.monotonicMs() - startMs);
    this.durableZxid = pendingZxid;
    this.deps.onDurable(pendingZxid);
    if (this.journal.position > this.options.journalBytes && !this.settling) {
      this.settling = this.settle().finally(() => (this.settling = null));
    }
    if (this.failure !== null && this.dirty.size === 0 && this.dirtySessions.size === 0) {
      this.failure = null;
      this.deps.onRecovery();
    }
    return true;
  }

  /** Brings what is in the journals only into the data file. Where that fails they stay, and the next time takes it along. */
  private async settle(): Promise<void> {
    const { journal, unsettled } = this;
    this.journal = null;
    this.unsettled = new Map();
    if (journal) this.oldJournals.push(journal.file);
    const files = this.oldJournals;
    this.oldJournals = [];
    try {
      await journal?.close();
      const changes = [...unsettled];
      for (let at = 0; at < changes.length; at += changesAtOnce) {
        await this.putAll(changes.slice(at, at + changesAtOnce));
      }
      removeJournals(files);
    } catch (error) {
      // LMDB says why in a second promise; unheard, it would end the process.
      (error as { commitError?: Promise<unknown> }).commitError?.catch(() => undefined);
      // Nothing is lost; when the journal can't be written either, that is told.
      this.unsettled = new Map([...unsettled, ...this.unsettled]);
      this.oldJournals = [...files, ...this.oldJournals];
    }
  }

  private putAll(changes: readonly Change[]): Promise<unknown> {
    // Within a batch; its promise tells about all of them.
    return this.db.batch(() => {
      for (const [key, value] of changes) {
        if (value) void this.db.put(key, value);
        else void this.db.remove(key);
      }
    });
  }

  private failed(problem: string): void {
    const before = this.failure;
    this.failure = this.isFull() ? `the disk is full (${problem})` : problem;
    if (before === null) this.deps.onFailure(this.failure);
  }

  private isFull(): boolean {
    try {
      const { bavail, bsize } = statfsSync(dirname(this.options.file));
      return bavail * bsize < 1024 * 1024;
    } catch {
      return false;
    }
  }
}

/** Encoded now: the znodes may change again while the commit is under way. */
function changesOf(
  znodes: ReadonlyMap<number, Znode | null>,
  sessions: ReadonlyMap<bigint, StoredSession | null>,
  zxid: bigint,
): Change[] {
  const changes: Change[] = [[headerKey, encodeHeader(zxid)]];
  for (const [id, node] of znodes) changes.push([id, node && encodeZnode(node)]);
  for (const [id, session] of sessions) changes.push([sessionKey(id), session && encodeSession(session)]);
  return changes;
}
