/** What each request of a client does, and what its answer holds. Throws Refusal, or ProtocolError for senseless bytes. */
import type { Runtime } from '../../runtime/runtime.ts';
import { errorCode, opCode, permission } from '../../protocol/constants.ts';
import type { JuteReader, JuteWriter } from '../../protocol/jute.ts';
import { readCreate, readMulti, type WireOperation, type WireResult, writeMultiResults } from '../../protocol/multi.ts';
import { readAcl, writeAcl, writeStat } from '../../protocol/records.ts';
import { digestIdentity, isAllowed, maskedAcl } from './acl.ts';
import type { Database, Transaction } from './database.ts';
import type { Peer, Session } from './peer.ts';
import { Refusal, RefusedTransaction } from './refusal.ts';
import type { WatchRequests } from './watch-requests.ts';
import type { WatchTable } from './watch-table.ts';
import { lengthOf, noData, statOf, type Znode } from './znode.ts';

/** Writes the body of an answer; null where there is none. */
export type Body = ((w: JuteWriter) => void) | null;

export interface RequestContext {
  readonly database: Database;
  readonly watches: WatchTable<Peer>;
  readonly watchRequests: WatchRequests;
  readonly runtime: Runtime;
  /** Stores a transaction and fires its watches. */
  readonly publish: (transaction: Transaction) => void;
}

const mostIdentities = 64;
/** A multiRead may name a large znode many times: its answer is limited, not only its request. */
const mostMultiReadBytes = 32 * 1024 * 1024;

export class Requests {
  private readonly c: RequestContext;

  constructor(context: RequestContext) {
    this.c = context;
  }

  perform(peer: Peer, session: Session, op: number, r: JuteReader): Body {
    switch (op) {
      case opCode.ping:
        return null;
      case opCode.create:
      case opCode.create2:
      case opCode.createContainer:
      case opCode.createTtl:
        return this.create(peer, session, op, r);
      case opCode.delete:
        this.write({ type: 'delete', path: r.string(), version: r.int() }, session, peer);
        return null;
      case opCode.setData: {
        const operation = { type: 'set', path: r.string(), data: r.buffer(), version: r.int() } as const;
        const { stat } = this.write(operation, session, peer) as Extract<WireResult, { type: 'set' }>;
        return (w) => writeStat(w, stat);
      }
      case opCode.check:
        this.write({ type: 'check', path: r.string(), version: r.int() }, session, peer);
        return null;
      case opCode.exists:
        return this.exists(peer, r.string(), r.bool());
      case opCode.getData:
        return this.getData(peer, r.string(), r.bool());
      case opCode.getChildren:
        return this.getChildren(peer, r.string(), r.bool(), false);
      case opCode.getChildren2:
        return this.getChildren(peer, r.string(), r.bool(), true);
      case opCode.getAllChildrenNumber: {
        const count = this.c.database.countBelow(this.c.database.read(r.string(), peer.identities));
        return (w) => w.int(count);
      }
      case opCode.getEphemerals:
        return this.getEphemerals(session, r.string());
      case opCode.sync: {
        const path = r.string();
        return (w) => w.string(path);
      }
      case opCode.getAcl:
        return this.getAcl(peer, r.string());
      case opCode.setAcl:
        return this.setAcl(peer, r.string(), r);
      case opCode.multi:
        return this.multi(readMulti(r), session, peer);
      case opCode.multiRead:
        return this.multiRead(readMulti(r), peer);
      case opCode.auth:
        this.auth(peer, r);
        return null;
      case opCode.setWatches:
      case opCode.setWatches2:
        this.c.watchRequests.rearm(peer, r, op === opCode.setWatches2);
        return null;
      case opCode.addWatch:
        this.c.watchRequests.add(peer, r);
        return (w) => w.int(0);
      case opCode.checkWatches:
        this.c.watchRequests.check(peer, r);
        return null;
      case opCode.removeWatches:
        this.c.watchRequests.remove(peer, r);
        return null;
      default:
        throw new Refusal(errorCode.unimplemented);
    }
  }

  // --- reading

  private exists(peer: Peer, path: string, watch: boolean): Body {
    // Nobody needs a right to learn that a znode exists, as with Apache.
    if (watch) this.c.watches.add('data', path, peer);
    const node = this.c.database.nodes.get(path);
    if (!node) throw new Refusal(errorCode.noNode);
    return (w) => writeStat(w, statOf(node));
  }

  private getData(peer: Peer, path: string, watch: boolean): Body {
    const node = this.c.database.read(path, peer.identities);
    if (watch) this.c.watches.add('data', path, peer);
    return (w) => writeStat(w.buffer(node.data), statOf(node));
  }

  private getChildren(peer: Peer, path: string, watch: boolean, withStat: boolean): Body {
    const node = this.c.database.read(path, peer.identities);
    if (watch) this.c.watches.add('children', path, peer);
    return (w) => {
      writeChildren(w, node);
      if (withStat) writeStat(w, statOf(node));
    };
  }

  private getEphemerals(session: Session, prefix: string): Body {
    const own = [...(this.c.database.ephemerals.get(session.id) ?? [])].filter((path) =>
      path.startsWith(prefix.trim()),
    );
    return (w) => w.vector(own, (v, path) => v.string(path));
  }

  private getAcl(peer: Peer, path: string): Body {
    const node = this.c.database.read(path, peer.identities, permission.read | permission.admin);
    const acl = isAllowed(node.acl, permission.admin, peer.identities) ? node.acl : maskedAcl(node.acl);
    return (w) => writeStat(w.vector(acl, writeAcl), statOf(node));
  }

  private multiRead(operations: readonly WireOperation[], peer: Peer): Body {
    let bytes = 0;
    const results = operations.map((operation): WireResult => {
      try {
        const node = this.c.database.read(operation.path, peer.identities);
        bytes += lengthOf(node) + (node.children?.size ?? 0) * 16;
        if (bytes > mostMultiReadBytes) throw new Refusal(errorCode.badArguments);
        if (operation.type === 'get') return { type: 'get', data: node.data, stat: statOf(node) };
        if (operation.type === 'children') return { type: 'children', children: [...(node.children ?? [])] };
        throw new Refusal(errorCode.unimplemented);
      } catch (error) {
        if (error instanceof Refusal) return { type: 'error', error: error.code };
        throw error;
      }
    });
    return (w) => writeMultiResults(w, results);
  }

  // --- writing

  private create(peer: Peer, session: Session, op: number, r: JuteReader): Body {
    const { path, stat } = this.write(readCreate(r, op), session, peer) as Extract<WireResult, { type: 'create' }>;
    return (w) => {
      w.string(path);
      if (stat) writeStat(w, stat);
    };
  }

  private write(operation: WireOperation, session: Session, peer: Peer): WireResult {
    return this.apply([operation], session, peer).results[0]!;
  }

  private multi(operations: readonly WireOperation[], session: Session, peer: Peer): Body {
    try {
      const { results } = this.apply(operations, session, peer);
      return (w) => writeMultiResults(w, results);
    } catch (error) {
      if (!(error instanceof RefusedTransaction)) throw error;
      const results = operations.map((_operation, index): WireResult => {
        if (index === error.index) return { type: 'error', error: error.code };
        return { type: 'error', error: index < error.index ? errorCode.ok : errorCode.runtimeInconsistency };
      });
      return (w) => writeMultiResults(w, results);
    }
  }

  private apply(operations: readonly WireOperation[], session: Session, peer: Peer): Transaction {
    const transaction = this.c.database.apply(operations, session.id, peer.identities, this.c.runtime.nowMs());
    this.c.publish(transaction);
    return transaction;
  }

  private setAcl(peer: Peer, path: string, r: JuteReader): Body {
    const acl = r.vector(readAcl);
    this.c.publish(this.c.database.setAcl(path, acl, r.int(), peer.identities));
    return (w) => writeStat(w, statOf(this.c.database.nodes.get(path)!));
  }

  private auth(peer: Peer, r: JuteReader): void {
    r.int();
    const scheme = r.string();
    const proof = r.buffer() ?? noData;
    // The address of the connection is known anyway.
    if (scheme === 'ip') return;
    if (scheme !== 'digest') throw new Refusal(errorCode.authFailed);
    const identity = digestIdentity(proof.toString('utf8'));
    if (peer.identities.some((known) => known.scheme === identity.scheme && known.id === identity.id)) return;
    if (peer.identities.length >= mostIdentities) throw new Refusal(errorCode.authFailed);
    peer.identities.push(identity);
  }
}

function writeChildren(w: JuteWriter, node: Znode): void {
  w.int(node.children?.size ?? 0);
  for (const name of node.children ?? []) w.string(name);
}
