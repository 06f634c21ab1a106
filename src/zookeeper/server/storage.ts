/**
 * What must survive: the znodes, the sessions and the last zxid, in LMDB. Changes are gathered while a commit is under way
 * and go into the next one (group commit); a commit counts when it has been flushed to the disk.
 */
import { open, type RootDatabase } from 'lmdb';
import { JuteReader, JuteWriter } from '../protocol/jute.ts';
import { readAcl, writeAcl } from '../protocol/records.ts';
import { type Database, newZnode, type Transaction, type Znode } from './database.ts';

export interface StoredSession {
  readonly id: bigint;
  readonly timeoutMs: number;
  readonly password: Buffer;
}

const zxidKey = '\u0001zxid';
const sessionPrefix = '\u0001session/';
const kinds = ['normal', 'container', 'ttl'] as const;

/** LMDB's keys are limited; longer paths are refused at creation. */
export const longestPathBytes = 1900;

export class Storage {
  /** Everything up to here is on the disk. */
  durableZxid = 0n;
  /** Set when a commit has failed: nothing more is acknowledged. */
  failure: Error | null = null;
  private readonly db: RootDatabase<Buffer, string>;
  private readonly database: Database;
  private readonly onDurable: (zxid: bigint) => void;
  private readonly onFailure: (error: Error) => void;
  private dirty = new Set<string>();
  private dirtySessions = new Map<bigint, StoredSession | null>();
  private pendingZxid = 0n;
  private committing: Promise<void> | null = null;

  constructor(o: {
    file: string;
    database: Database;
    mapSizeBytes?: number;
    onDurable: (zxid: bigint) => void;
    onFailure: (error: Error) => void;
  }) {
    this.database = o.database;
    this.onDurable = o.onDurable;
    this.onFailure = o.onFailure;
    // Without overlapping sync a commit resolves only after it has been flushed.
    this.db = open({
      path: o.file,
      encoding: 'binary',
      overlappingSync: false,
      ...(o.mapSizeBytes === undefined ? {} : { mapSize: o.mapSizeBytes }),
    }) as RootDatabase<Buffer, string>;
  }

  /** Fills the database; returns the sessions that were alive. */
  load(): StoredSession[] {
    const sessions: StoredSession[] = [];
    for (const { key, value } of this.db.getRange({})) {
      if (key === zxidKey) this.database.zxid = value.readBigInt64BE(0);
      else if (key.startsWith(sessionPrefix)) sessions.push(decodeSession(key, value));
      else if (key === '/') Object.assign(this.database.nodes.get('/')!, decodeZnode(value), { children: new Set<string>() });
      else this.database.insert(key, decodeZnode(value));
    }
    // The built-in nodes were put below a root that had no children yet.
    this.database.nodes.get('/')!.children.add('zookeeper');
    for (const path of this.database.nodes.keys()) {
      if (path !== '/' && path.lastIndexOf('/') === 0) this.database.nodes.get('/')!.children.add(path.slice(1));
    }
    this.durableZxid = this.database.zxid;
    return sessions;
  }

  record(transaction: Transaction): void {
    for (const path of transaction.changed) this.dirty.add(path);
    this.pendingZxid = transaction.zxid;
    this.commitSoon();
  }

  recordSession(id: bigint, session: StoredSession | null, zxid: bigint): void {
    this.dirtySessions.set(id, session);
    this.pendingZxid = zxid;
    this.commitSoon();
  }

  async close(): Promise<void> {
    while (this.committing) await this.committing;
    await this.db.close();
  }

  private commitSoon(): void {
    if (this.committing || this.failure) return;
    this.committing = new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.commitAll());
  }

  private async commitAll(): Promise<void> {
    try {
      while (this.dirty.size > 0 || this.dirtySessions.size > 0) await this.commitBatch();
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error));
      this.onFailure(this.failure);
    } finally {
      this.committing = null;
    }
  }

  private async commitBatch(): Promise<void> {
    const paths = this.dirty;
    const sessions = this.dirtySessions;
    const zxid = this.pendingZxid;
    this.dirty = new Set();
    this.dirtySessions = new Map();
    // Encoded now: the nodes may change again while the commit is under way.
    const puts: [string, Buffer | null][] = [];
    for (const path of paths) {
      const node = this.database.nodes.get(path);
      puts.push([path, node ? encodeZnode(node) : null]);
    }
    for (const [id, session] of sessions) puts.push([sessionPrefix + id.toString(16), session ? encodeSession(session) : null]);
    const last = Buffer.alloc(8);
    last.writeBigInt64BE(zxid);
    await this.db.transaction(() => {
      for (const [key, value] of puts) {
        if (value) void this.db.put(key, value);
        else void this.db.remove(key);
      }
      void this.db.put(zxidKey, last);
    });
    this.durableZxid = zxid;
    this.onDurable(zxid);
  }
}

function encodeZnode(n: Znode): Buffer {
  const w = new JuteWriter(n.data.length + 128).int(1).buffer(n.data).vector(n.acl, writeAcl);
  w.long(n.czxid).long(n.mzxid).long(n.pzxid).long(n.ctime).long(n.mtime).int(n.version).int(n.created).int(n.aversion);
  w.long(n.ephemeralOwner).int(kinds.indexOf(n.kind)).long(BigInt(n.ttlMs));
  return Buffer.from(w.payload());
}

function decodeZnode(value: Buffer): Znode {
  const r = new JuteReader(Buffer.from(value));
  r.int();
  const node = newZnode(0n, 0n, r.buffer() ?? Buffer.alloc(0), r.vector(readAcl));
  node.czxid = r.long();
  node.mzxid = r.long();
  node.pzxid = r.long();
  node.ctime = r.long();
  node.mtime = r.long();
  node.version = r.int();
  node.created = r.int();
  node.aversion = r.int();
  node.ephemeralOwner = r.long();
  node.kind = kinds[r.int()] ?? 'normal';
  node.ttlMs = Number(r.long());
  return node;
}

function encodeSession(s: StoredSession): Buffer {
  return Buffer.from(new JuteWriter(64).int(s.timeoutMs).buffer(s.password).payload());
}

function decodeSession(key: string, value: Buffer): StoredSession {
  const r = new JuteReader(Buffer.from(value));
  const timeoutMs = r.int();
  return { id: BigInt(`0x${key.slice(sessionPrefix.length)}`), timeoutMs, password: Buffer.from(r.buffer() ?? Buffer.alloc(16)) };
}
