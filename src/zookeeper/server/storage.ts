/**
 * What must survive: znodes, sessions and the last zxid, in LMDB. Changes gather while a commit is under way and go into the
 * next one (group commit); a commit counts when it has been flushed to the disk. One that fails is tried again, with
 * everything that it was to write, until it succeeds: what is in memory is never acknowledged before.
 */
import { chmodSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import type { Timer } from '../../runtime.ts';
import { CoordinatorError, reasonOf } from './coordinator-error.ts';
import { builtIn, type Transaction } from './database.ts';
import type { Persistence, PersistenceHooks } from './persistence.ts';
import {
  decodeHeader,
  decodeSession,
  decodeZnode,
  encodeHeader,
  encodeSession,
  encodeZnode,
  formatVersion,
  headerKey,
  sessionKey,
  type StoredKey,
  type StoredSession,
} from './stored-records.ts';
import type { Znode } from './znode.ts';

export interface StorageOptions extends PersistenceHooks {
  readonly file: string;
}

const retryMs = 1000;

export class Storage implements Persistence {
  durableZxid = 0n;
  failure: string | null = null;
  commits = 0;
  slowestCommitMs = 0;
  private readonly o: StorageOptions;
  private readonly db: RootDatabase<Buffer, StoredKey>;
  private dirty = new Map<number, Znode | null>();
  private dirtySessions = new Map<bigint, StoredSession | null>();
  private pendingZxid = 0n;
  private running: Promise<void> | null = null;
  private retryTimer: Timer | null = null;
  private closed = false;

  constructor(options: StorageOptions) {
    this.o = options;
    try {
      // Without overlapping sync a commit is reported after both the pages and the root are flushed. Batches are made
      // here; LMDB's own batching by event turn would cost a second commit each and reports failures to nobody.
      this.db = open<Buffer, StoredKey>({
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
      return this.readAll();
    } catch (error) {
      if (error instanceof CoordinatorError) throw error;
      throw new CoordinatorError('data-dir', `the data file ${this.o.file} is damaged: ${reasonOf(error)}`, error);
    }
  }

  private readAll(): StoredSession[] {
    const { database, file } = this.o;
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
      if (!this.closed) this.retryTimer = this.o.runtime.setBackgroundTimer(retryMs, () => this.retry());
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
    const startMs = this.o.runtime.monotonicMs();
    try {
      await this.write(dirty, dirtySessions, pendingZxid);
    } catch (error) {
      // Newer changes win over those of the batch.
      this.dirty = new Map([...dirty, ...this.dirty]);
      this.dirtySessions = new Map([...dirtySessions, ...this.dirtySessions]);
      this.failed(await causeOf(error));
      return false;
    }
    this.commits++;
    this.slowestCommitMs = Math.max(this.slowestCommitMs, this.o.runtime.monotonicMs() - startMs);
    this.durableZxid = pendingZxid;
    this.o.onDurable(pendingZxid);
    if (this.failure !== null && this.dirty.size === 0 && this.dirtySessions.size === 0) {
      this.failure = null;
      this.o.onRecovery();
    }
    return true;
  }

  private write(
    znodes: ReadonlyMap<number, Znode | null>,
    sessions: ReadonlyMap<bigint, StoredSession | null>,
    zxid: bigint,
  ): Promise<unknown> {
    // Values are encoded now: the znodes may change again while the commit is under way.
    return this.db.batch(() => {
      for (const [id, node] of znodes) this.putOrRemove(id, node && encodeZnode(node));
      for (const [id, session] of sessions) this.putOrRemove(sessionKey(id), session && encodeSession(session));
      this.putOrRemove(headerKey, encodeHeader(zxid));
    });
  }

  /** Within a batch; its promise tells about all of them. */
  private putOrRemove(key: StoredKey, value: Buffer | null): void {
    if (value) void this.db.put(key, value);
    else void this.db.remove(key);
  }

  private failed(problem: string): void {
    const before = this.failure;
    this.failure = this.isFull() ? `the disk is full (${problem})` : problem;
    if (before === null) this.o.onFailure(this.failure);
  }

  private isFull(): boolean {
    try {
      const { bavail, bsize } = statfsSync(dirname(this.o.file));
      return bavail * bsize < 1024 * 1024;
    } catch {
      return false;
    }
  }
}

/** LMDB says why in a second promise. */
async function causeOf(error: unknown): Promise<string> {
  const { commitError } = error as { commitError?: Promise<unknown> };
  if (!(commitError instanceof Promise)) return reasonOf(error);
  return commitError.then(
    () => reasonOf(error),
    (cause: unknown) => reasonOf(cause),
  );
}
